"""Shell completion of the command `sentiment`; Hydra completes settings."""

from collections.abc import Iterable

SHELLS = ("bash", "zsh")
# zsh can run completions of bash.
_PREFIX = {"bash": "", "zsh": "autoload -U +X bashcompinit && bashcompinit\n"}
_SCRIPT = """\
_sentiment() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} choices=%(commands)r
    if [ "$COMP_CWORD" -gt 1 ]; then
        choices=$(COMP_LINE="sentiment ${COMP_LINE#*"$command"}" \\
            sentiment "$command" -sc query=bash 2> /dev/null)
    fi
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _sentiment sentiment
"""


def make_completion(shell: str, commands: Iterable[str]) -> str:
    """Return the code for the shell to evaluate: ``eval "$(sentiment completion bash)"``.

    Parameters
    ----------
    shell : str
        One of `SHELLS`.
    commands : iterable of str
        Names of all commands.
    """
    return _PREFIX[shell] + _SCRIPT % {"commands": " ".join(commands)}
