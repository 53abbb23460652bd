# Completion of mfactl(1) for bash. Names of profiles come from mfad; without it there are just none.
# shellcheck shell=bash

# The options of the command $1.
_mfactl_options() {
        case $1 in
        init) echo --from --no-environment --passphrase-fd --remove-plain-keys --yes --help ;;
        'key import') echo --from --passphrase-fd --remove-plain-keys --yes --help ;;
        unlock) echo --code-stdin --duration --key --passphrase-fd --help ;;
        lock) echo --seal --help ;;
        status) echo --json --prompt --watch --help ;;
        log) echo --follow --json --help ;;
        profiles) echo --json --names --help ;;
        refresh) echo --all --help ;;
        env) echo --profile --shell --token-file-only --help ;;
        exec) echo --profile --token-file-only --help ;;
        creds) echo --profile --help ;;
        export) echo --profile --to --help ;;
        console) echo --destination --open --profile --help ;;
        doctor) echo --json --offline --help ;;
        'key add') echo --key-stdin --passphrase-fd --yes --help ;;
        'key list' | 'key test') echo --json --passphrase-fd --help ;;
        'key remove') echo --passphrase-fd --yes --help ;;
        'vault passwd') echo --passphrase-fd --help ;;
        'vault status') echo --json --help ;;
        'vault seal') echo --help ;;
        '') echo --help --version ;;
        esac
}

# Offers the words, a line each on standard input, that begin with $cur; $1 stands before them on the line.
_mfactl_offer() {
        local word quoted
        while IFS= read -r word; do
                [[ $word == "$cur"* ]] || continue
                printf -v quoted %q "$1$word"
                # bash replaces only what follows the last of these signs
                [[ $full == *[:=@]* ]] && quoted=${quoted#"${full%"${full##*[:=@]}"}"}
                COMPREPLY+=("$quoted")
        done
}

_mfactl_names() {
        mfactl profiles --names 2>/dev/null
}

# The values of the option $1; $2 stands before them. Fails for an option without a value.
_mfactl_value() {
        case $1 in
        --profile | --key) _mfactl_offer "$2" < <(_mfactl_names) ;;
        --shell) _mfactl_offer "$2" < <(printf '%s\n' sh fish csh powershell) ;;
        --duration) _mfactl_offer "$2" < <(printf '%s\n' 1h 4h 8h 12h 36h) ;;
        --from) _mfactl_offer "$2" < <(compgen -f -- "$cur") ;;
        --to | --destination | --passphrase-fd) ;;
        *) return 1 ;;
        esac
}

# Is $1 an option whose value is the next word?
_mfactl_takes_value() {
        case $1 in
        --profile | --key | --shell | --duration | --from | --to | --destination | --passphrase-fd) ;;
        *) return 1 ;;
        esac
}

# The words of the command $1.
_mfactl_word() {
        case $1 in
        refresh | 'key test' | 'key remove' | init | 'key import') _mfactl_offer '' < <(_mfactl_names) ;;
        exec) _mfactl_offer '' < <(compgen -c -- "$cur") ;;
        '')
                _mfactl_offer '' < <(printf '%s\n' init unlock lock status log profiles refresh env exec creds \
                        export console doctor key vault)
                ;;
        key) _mfactl_offer '' < <(printf '%s\n' add import list remove test) ;;
        vault) _mfactl_offer '' < <(printf '%s\n' passwd seal status) ;;
        esac
}

_mfactl() {
        local line=${COMP_LINE:0:COMP_POINT} full='' cur='' command='' word last=''
        local -a words
        COMPREPLY=()
        # the raw line, as bash's own words end at every ":", "=" and "@"; a backslash keeps a blank in a word
        # shellcheck disable=SC2162
        read -a words <<<"$line"
        if [[ $line != *[[:space:]] || $line == *\\[[:space:]] ]]; then
                full=${line##*[!\\][[:space:]]}
                cur=${words[-1]}
                unset 'words[-1]'
        fi
        for word in "${words[@]:1}"; do
                if _mfactl_takes_value "$last"; then
                        last=''
                        continue
                fi
                last=$word
                [[ $word == -* ]] && continue
                case $command in
                '' | key | vault) command="${command:+$command }$word" ;;
                exec) # the rest belongs to another program: files, as for any that bash does not know
                        compopt -o default 2>/dev/null
                        return 0
                        ;;
                esac
        done
        _mfactl_value "$last" '' && return 0
        if [[ $cur == --*=* ]]; then
                word=${cur%%=*}
                cur=${cur#*=}
                _mfactl_value "$word" "$word="
        elif [[ $cur == -* ]]; then
                _mfactl_offer '' < <(_mfactl_options "$command" | tr ' ' '\n')
        else
                _mfactl_word "$command"
        fi
        return 0
}

complete -F _mfactl mfactl
