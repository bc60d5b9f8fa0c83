"""Completion of commands, options and names of tasks in bash, zsh and fish."""

from __future__ import annotations

import os
import sys

import click

from musebuild.cli.command import Call, Command
from musebuild.cli.options import Argument, OneOf

PROGRAM = "musebuild"
COMPLETE = "_MUSEBUILD_COMPLETE"
"""By this variable a shell asks for completions."""
SHELLS = ("bash", "zsh", "fish")

BASH = r"""# bash: put  eval "$(musebuild completion bash)"  into ~/.bashrc
_musebuild_completion() {
    # Names of tasks hold colons, at which bash splits words: the line itself is told.
    local line=${COMP_LINE:0:COMP_POINT} before= type value
    local word=${line##*[[:space:]]}
    if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
        before=${word%"${word##*:}"}
    fi
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            plain) COMPREPLY+=("${value#"$before"}") ;;
        esac
    done < <(env COMP_WORDS="$line" _MUSEBUILD_COMPLETE=bash_complete musebuild 2>/dev/null)
}

_musebuild_doit_completion() {
    # In a project of musebuild `doit` is musebuild; elsewhere doit's own goes on.
    if grep -qs musebuild doit.cfg dodo.py; then
        _musebuild_completion
    elif declare -F _doit >/dev/null; then
        _doit
    fi
}

complete -o nosort -F _musebuild_completion musebuild
complete -o nosort -o default -F _musebuild_doit_completion doit
"""

ZSH = r"""# zsh: put  eval "$(musebuild completion zsh)"  into ~/.zshrc, below compinit
_musebuild_completion() {
    local -a plain described response
    local type key descr
    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
_MUSEBUILD_COMPLETE=zsh_complete musebuild 2>/dev/null)}")
    for type key descr in ${response}; do
        if [[ "$type" == "plain" ]]; then
            if [[ "$descr" == "_" ]]; then
                plain+=("$key")
            else
                described+=("$key":"$descr")
            fi
        elif [[ "$type" == "dir" ]]; then
            _path_files -/
        elif [[ "$type" == "file" ]]; then
            _path_files -f
        fi
    done
    if [ -n "$described" ]; then
        _describe -V unsorted described -U
    fi
    if [ -n "$plain" ]; then
        compadd -U -V unsorted -a plain
    fi
}

_musebuild_doit_completion() {
    # In a project of musebuild `doit` is musebuild; elsewhere doit's own goes on.
    if grep -qs musebuild doit.cfg dodo.py; then
        _musebuild_completion
    elif (( $+functions[_doit] )); then
        _doit
    else
        _files
    fi
}

compdef _musebuild_completion musebuild
compdef _musebuild_doit_completion doit
"""

FISH = r"""# fish: put  musebuild completion fish | source  into ~/.config/fish/config.fish
function _musebuild_completion
    set -l response (env _MUSEBUILD_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) \
COMP_CWORD=(commandline -t) musebuild 2>/dev/null)
    for completion in $response
        set -l metadata (string split "," $completion)
        if test $metadata[1] = "dir"
            __fish_complete_directories $metadata[2]
        else if test $metadata[1] = "file"
            __fish_complete_path $metadata[2]
        else if test $metadata[1] = "plain"
            echo $metadata[2]
        end
    end
end

complete --no-files --command musebuild --arguments "(_musebuild_completion)"
# In a project of musebuild `doit` is musebuild; elsewhere doit's own goes on.
complete --no-files --command doit --condition "grep -qs musebuild doit.cfg dodo.py" \
--arguments "(_musebuild_completion)"
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@click.command(cls=Command, example='eval "$(musebuild completion bash)"', takes="one shell")
@click.argument("shell", cls=Argument, what="a shell: bash, zsh or fish", type=OneOf(SHELLS))
def completion(shell: str) -> None:
    """Completion of commands and tasks in a shell: bash, zsh, fish.

    Prints what the shell must read, and in its first line where to put that. Commands, options
    and names of tasks are completed, for `musebuild` and, in a project, for `doit`.
    """
    sys.stdout.write(SCRIPTS[shell])


def answer(root: click.Command, instruction: str) -> int:
    """Print the completions that a shell asks for.

    Parameters
    ----------
    root : Command
        The program.
    instruction : str
        `bash_complete`, `zsh_complete` or `fish_complete`.

    Returns
    -------
    int
        Exit status.
    """
    from click.shell_completion import (
        BashComplete,
        add_completion_class,
        shell_complete,
        split_arg_string,
    )

    class Line(BashComplete):
        """The line up to the cursor, whose words bash has not split at colons."""

        def get_completion_args(self) -> tuple[list[str], str]:
            line = os.environ.get("COMP_WORDS", "")
            words = split_arg_string(line)[1:]
            whole = not words or line[-1:].isspace()
            return (words, "") if whole else (words[:-1], words[-1])

    add_completion_class(Line)
    try:
        return shell_complete(root, {"obj": Call()}, PROGRAM, COMPLETE, instruction)
    except Exception:
        # Whatever is wrong, the person is still typing: the command itself will tell.
        return 1
