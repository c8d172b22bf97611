# Functions for the scripts that run inside the machine (busybox sh). The number of checks so far is
# in $COUNT, a file, since scripts and subshells share it.

# say RESULT NAME [WHY]
say() {
  number=$(($(cat "$COUNT") + 1))
  echo "$number" > "$COUNT"
  echo "$1 $number $2${3:+ # $3}"
}

# check NAME COMMAND...: ok when the command succeeds; otherwise its output says why.
check() {
  name=$1
  shift
  if "$@" > /tmp/output 2>&1; then
    say ok "$name"
  else
    say "not ok" "$name" "$(tail -n 1 /tmp/output)"
    sed 's/^/#   /' /tmp/output | tail -n 12
  fi
}

skip() { say ok "$1" "SKIP $2"; }

# equal EXPECTED COMMAND...: the command succeeds and its output is EXPECTED.
equal() {
  expected=$1
  shift
  result=0
  actual=$("$@" 2>/tmp/stderr) || result=$?
  [ "$result" = 0 ] && [ "$actual" = "$expected" ] && return
  cat /tmp/stderr
  echo "expected '$expected', got '$actual' and exit code $result"
  return 1
}

# code EXPECTED COMMAND...: the command's exit code is EXPECTED.
code() {
  wanted=$1
  shift
  got=0
  "$@" || got=$?
  [ "$got" = "$wanted" ] && return
  echo "expected exit code $wanted, got $got"
  return 1
}

# refused PATTERN COMMAND...: the command fails and its output matches.
refused() {
  pattern=$1
  shift
  if "$@" > /tmp/refused 2>&1; then
    cat /tmp/refused
    echo "succeeded, was to be refused with '$pattern'"
    return 1
  fi
  grep -qE "$pattern" /tmp/refused && return
  cat /tmp/refused
  echo "refused, but not with '$pattern'"
  return 1
}

# holds FILE TEXT: the file's content is TEXT.
holds() { equal "$2" cat "$1"; }

fails() { ! "$@"; }

# until_true COMMAND...: polls, giving up after a minute; software emulation is slow.
until_true() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ]; then
      echo "never came true: $*"
      return 1
    fi
    sleep 0.1
  done
}
