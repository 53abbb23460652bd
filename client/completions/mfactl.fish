# Completion of mfactl(1) for fish. Names of profiles come from mfad; without it there are just none.

function __mfactl_names
    mfactl profiles --names 2>/dev/null
end

# The words of the command so far: "", "unlock", "key import".
function __mfactl_command
    set -l command
    set -l words (commandline -opc)
    for word in $words[2..]
        string match -q -- '-*' $word; and continue
        set -a command $word
        contains -- $command[1] key vault; and test (count $command) -lt 2; or break
    end
    string join ' ' $command
end

# Is it one of these?
function __mfactl_is
    contains -- (__mfactl_command | string collect --allow-empty) $argv
end

# Has nothing but options followed the command?
function __mfactl_has_no_word
    set -l words
    set -l expects_value 0
    set -l line (commandline -opc)
    for word in $line[2..]
        if test $expects_value = 1
            set expects_value 0
        else if contains -- $word --profile --key --to --destination --duration --from --shell --passphrase-fd
            set expects_value 1
        else if not string match -q -- '-*' $word
            set -a words $word
        end
    end
    test (count $words) -le 1
end

complete -c mfactl -f
complete -c mfactl -l help -d 'print what a command does and takes'
complete -c mfactl -n '__mfactl_is ""' -l version -d 'print the version'

# commands
complete -c mfactl -n '__mfactl_is ""' -a init -d 'first set-up'
complete -c mfactl -n '__mfactl_is ""' -a unlock -d 'buy a session with a code'
complete -c mfactl -n '__mfactl_is ""' -a lock -d 'drop all sessions'
complete -c mfactl -n '__mfactl_is ""' -a status -d 'what is unlocked, and until when'
complete -c mfactl -n '__mfactl_is ""' -a log -d 'who got credentials'
complete -c mfactl -n '__mfactl_is ""' -a profiles -d 'every profile and its state'
complete -c mfactl -n '__mfactl_is ""' -a refresh -d "buy a role's credentials again"
complete -c mfactl -n '__mfactl_is ""' -a env -d "shell commands that lead AWS's SDKs to mfad"
complete -c mfactl -n '__mfactl_is ""' -a exec -d 'run a command with that environment'
complete -c mfactl -n '__mfactl_is ""' -a creds -d 'credentials for credential_process'
complete -c mfactl -n '__mfactl_is ""' -a export -d 'write credentials into ~/.aws/credentials'
complete -c mfactl -n '__mfactl_is ""' -a console -d 'sign a browser in'
complete -c mfactl -n '__mfactl_is ""' -a doctor -d "what keeps AWS's SDKs from working"
complete -c mfactl -n '__mfactl_is ""' -a key -d 'the keys in the vault'
complete -c mfactl -n '__mfactl_is ""' -a vault -d 'the vault'
complete -c mfactl -n '__mfactl_is key' -a 'add import list remove test'
complete -c mfactl -n '__mfactl_is vault' -a 'passwd seal status'

# their words
complete -c mfactl -n '__mfactl_is refresh init "key test" "key remove" "key import"' -a '(__mfactl_names)'
complete -c mfactl -n '__mfactl_is exec; and __mfactl_has_no_word' -a '(__fish_complete_command)'
complete -c mfactl -n '__mfactl_is exec; and not __mfactl_has_no_word' -F

# their options
complete -c mfactl -n '__mfactl_is env exec creds export console' -l profile -x -a '(__mfactl_names)' \
    -d 'the AWS profile'
complete -c mfactl -n '__mfactl_is unlock' -l key -x -a '(__mfactl_names)' -d 'the key'
complete -c mfactl -n '__mfactl_is unlock' -l duration -x -a '1h 4h 8h 12h 36h' -d 'how long it lasts'
complete -c mfactl -n '__mfactl_is unlock' -l code-stdin -d 'read the code from standard input'
complete -c mfactl -n '__mfactl_is lock' -l seal -d 'also close the vault'
complete -c mfactl -n '__mfactl_is doctor status log profiles "key list" "key test" "vault status"' -l json -d 'print JSON'
complete -c mfactl -n '__mfactl_is doctor' -l offline -d 'do not ask AWS anything'
complete -c mfactl -n '__mfactl_is status' -l watch -d 'go on, and print every change'
complete -c mfactl -n '__mfactl_is log' -s f -l follow -d 'go on, and print what happens'
complete -c mfactl -n '__mfactl_is status' -l prompt -d "a few letters for a shell's prompt"
complete -c mfactl -n '__mfactl_is profiles' -l names -d 'print the names only'
complete -c mfactl -n '__mfactl_is refresh' -l all -d 'every role that is held'
complete -c mfactl -n '__mfactl_is env' -l shell -x -a 'sh fish csh powershell' -d 'whose commands'
complete -c mfactl -n '__mfactl_is env exec' -l token-file-only -d "only name the token's file"
complete -c mfactl -n '__mfactl_is export' -l to -x -d 'the section to write'
complete -c mfactl -n '__mfactl_is console' -l destination -x -d 'the page to show'
complete -c mfactl -n '__mfactl_is console' -l open -d 'open it in the browser'
complete -c mfactl -n '__mfactl_is init "key import"' -l from -r -F -d 'another credentials file'
complete -c mfactl -n '__mfactl_is init' -l no-environment -d 'take the variables out of the login again'
complete -c mfactl -n '__mfactl_is init "key import"' -l remove-plain-keys -d 'remove what was imported'
complete -c mfactl -n '__mfactl_is init "key import" "key add" "key remove"' -l yes -d 'answer yes'
complete -c mfactl -n '__mfactl_is "key add"' -l key-stdin -d 'read the key from standard input'
complete -c mfactl -n '__mfactl_is init unlock "key import" "key add" "key list" "key test" "key remove" "vault passwd"' \
    -l passphrase-fd -x -d 'read the passphrase from a descriptor'
