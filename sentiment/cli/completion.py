"""Shell completion of the command `sentiment`; Hydra completes settings."""

from collections.abc import Iterable

SHELLS = ("bash", "zsh")
# zsh can run completions of bash.
_PREFIX = {"bash": "", "zsh": "autoload -U +X bashcompinit && bashcompinit\n"}
# Bash completes the part of a word after "=" and passes it as $2; zsh completes the whole word. An
# empty reply completes file names. The names are not words for compgen -W, which would expand them.
_SCRIPT = """\
_sentiment() {
    local line=${COMP_LINE:0:$COMP_POINT} command=${COMP_WORDS[1]} word before choices choice
    word=${line##*[[:space:]]}
    before=${word%"$2"}
    COMPREPLY=()
    if [[ $COMP_CWORD -eq 1 ]]; then
        choices="COMMANDS"
    elif [[ $command == completion ]]; then
        choices="SHELLS"
    elif [[ $command != init && ! ($before == *= && $2 == [./~]*) ]]; then
        choices=$(COMP_LINE="sentiment ${line#*[[:space:]]"$command"}" \\
            sentiment "$command" -sc query=bash 2> /dev/null)
    fi
    while read -r choice; do
        # Commands use these two groups themselves.
        if [[ $choice == "$word"* && $choice != common && $choice != hydra ]]; then
            choice=${choice#"$before"}
            [[ -z $choice ]] || COMPREPLY+=("$choice")
        fi
    done < <(tr ' ' '\\n' <<< "$choices")
    [[ ${COMPREPLY[*]} == *[=./] ]] || compopt +o nospace 2> /dev/null
}
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
    script = _SCRIPT.replace("COMMANDS", " ".join(commands))
    return _PREFIX[shell] + script.replace("SHELLS", " ".join(SHELLS))
