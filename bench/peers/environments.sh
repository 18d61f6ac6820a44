#!/usr/bin/env bash
# environments.sh NAME: prints the folder of a peer's environment, which it makes once, in the cache (scripts/lib.sh).
#
#   confluent, bytewax, quix, faust, flink    a Python environment of requirements/NAME.txt, which names the Pythons that serve
#   flink-jars                                what PyFlink needs besides, from java/flink/pom.xml
#   kafka-streams                             jars/ and the compiled program of java/kafka-streams
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
HERE=$ROOT/bench/peers
export HERE

# The first of the versions that this machine has as a Python which can make environments. Debian 12's own is 3.11.
find_python() {
  local version python
  for version in "$@"; do
    for python in "/usr/bin/python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/"python$version" "$(command -v "python$version" || true)"; do
      if [ -x "$python" ] && "$python" -I -c 'import ensurepip, ssl, sys; assert sys.version_info[:2] == tuple(map(int, sys.argv[1].split(".")))' "$version" 2>/dev/null; then
        echo "$python"
        return
      fi
    done
  done
  die "none of Python $* is here with ssl and ensurepip (Debian 12: python3.11-venv)"
}

python_environment() {
  "$PYTHON" -m venv "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check -r "$REQUIREMENTS"
}

maven_jars() {
  mvn --quiet --batch-mode --file "$1" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$2"
}
export -f maven_jars

flink_jars() {
  maven_jars "$HERE/java/flink/pom.xml" "$1"
}

kafka_streams() {
  maven_jars "$HERE/java/kafka-streams/pom.xml" "$1/jars"
  javac -d "$1/classes" -cp "$1/jars/*" "$HERE/java/kafka-streams/MetricProcessor.java"
}

case ${1:-} in
  confluent | bytewax | quix | faust | flink)
    export REQUIREMENTS=$HERE/requirements/$1.txt
    read -r -a versions < <(sed -n 's/^# python //p' "$REQUIREMENTS")
    PYTHON=$(find_python "${versions[@]}")
    export PYTHON
    cached "peers-$1" python_environment "$REQUIREMENTS" "$("$PYTHON" --version)"
    ;;
  flink-jars) cached peers-flink-jars flink_jars "$HERE/java/flink" ;;
  kafka-streams) cached peers-kafka-streams kafka_streams "$HERE/java/kafka-streams" "$(javac -version 2>&1)" ;;
  *)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
