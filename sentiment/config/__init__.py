"""Hydra configs: composing and checking them, and making objects from them."""

from sentiment.config.checking import check_config
from sentiment.config.commands import (
    convert_command_tag,
    has_make_targets,
    make_command_tags,
    name_source,
    read_overrides,
    remember_arguments,
    remember_program,
    repeat_command,
    show_command,
    suggest_command,
    suggest_training,
    suggest_ui,
    write_command,
)
from sentiment.config.composing import compose, explain_command, read_choices, register_schemas
from sentiment.config.conf_folder import CONF
from sentiment.config.explaining import check_options, describe_error, explain_error
from sentiment.config.job import CHOICES, Job, current_job, list_group_choices, list_typed
from sentiment.config.making import make
from sentiment.config.overrides import (
    find_key,
    is_within,
    parse_overrides,
    quote,
    quote_typed,
    split_override,
    write_override,
)
from sentiment.config.project import (
    choose_conf,
    enter_project,
    list_conf,
    list_trusted,
    list_user_conf,
    remember_config_dir,
    trust,
)
from sentiment.config.quoting import quote_free_text
from sentiment.config.recording import (
    flatten,
    read_recorded,
    record_config,
    record_yaml,
    write_recorded,
)
from sentiment.config.starting import StartCheck, drop_hydra, remove_unused, trust_typed
from sentiment.config.targets import list_allowed

__all__ = [
    "CHOICES",
    "CONF",
    "Job",
    "StartCheck",
    "check_config",
    "check_options",
    "choose_conf",
    "compose",
    "convert_command_tag",
    "current_job",
    "describe_error",
    "drop_hydra",
    "enter_project",
    "explain_command",
    "explain_error",
    "find_key",
    "flatten",
    "has_make_targets",
    "is_within",
    "list_allowed",
    "list_conf",
    "list_group_choices",
    "list_trusted",
    "list_typed",
    "list_user_conf",
    "make",
    "make_command_tags",
    "name_source",
    "parse_overrides",
    "quote",
    "quote_free_text",
    "quote_typed",
    "read_choices",
    "read_overrides",
    "read_recorded",
    "record_config",
    "record_yaml",
    "register_schemas",
    "remember_arguments",
    "remember_config_dir",
    "remember_program",
    "remove_unused",
    "repeat_command",
    "show_command",
    "split_override",
    "suggest_command",
    "suggest_training",
    "suggest_ui",
    "trust",
    "trust_typed",
    "write_command",
    "write_override",
    "write_recorded",
]
