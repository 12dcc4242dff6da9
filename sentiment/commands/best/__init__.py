"""Best trial of a search or grid."""
