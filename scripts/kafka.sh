#!/usr/bin/env bash
# One real Apache Kafka broker (KRaft, one node) on 127.0.0.1, for tests and the demo. Its state lives in FOLDER.
#
#   kafka.sh fetch                   gets the jars and makes the class archive, once; prints their folder
#   kafka.sh start  FOLDER [PORT]    starts it, waits until it answers, prints its bootstrap address. PORT: `auto` (free ports, kept
#                                    for later starts of the same FOLDER; the default) or a number (the controller takes the next)
#   kafka.sh stop   FOLDER           ends it in order; by force after 15 seconds
#   kafka.sh kill9  FOLDER           ends it as a crash does; `start` recovers
#   kafka.sh status FOLDER           prints `up ADDRESS pid PID` (exit 0) or `down` (exit 1)
#   kafka.sh topic  FOLDER create NAME [PARTITIONS] | delete NAME | list | describe NAME | offsets NAME
#
# Environment: FS_KAFKA_HEAP (256m); FS_KAFKA_JIT=full for throughput (the default compiles quickly, for a quick start);
# FS_KAFKA_PROPERTIES ("a=b c=d": further server properties).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HEAP=${FS_KAFKA_HEAP:-256m}
TOOL_FLAGS=(-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Xmx128m)
# The collector and heap layout are part of the class archive: every start uses the ones it was made with.
BROKER_FLAGS=(-XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true)

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

fetch_jars() {
  mvn --quiet --batch-mode --file "$ROOT/scripts/kafka-pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$1/jars"
  "$ROOT/scripts/kafka.sh" train "$1"
}

# train HOME: one run whose end writes the class archive, with which later starts take half the time.
train() {
  local folder
  folder=$(mktemp -d)
  start_broker "$folder" auto "$1" "-XX:ArchiveClassesAtExit=$1/classes.jsa"
  stop_broker "$folder" TERM
  rm -rf "$folder"
  [ -s "$1/classes.jsa" ] || die "kafka: the broker's end left no class archive"
}

# The folder of jars/ and classes.jsa.
kafka_home() {
  command -v java >/dev/null || die "java is missing: install a JDK 17 or newer (Debian: openjdk-17-jre-headless)"
  command -v mvn >/dev/null || die "mvn is missing: install Maven (Debian: maven)"
  cached kafka fetch_jars "$ROOT/scripts/kafka-pom.xml" "$(java -version 2>&1 | head -n 1)" "${BROKER_FLAGS[*]}"
}

# The archive holds for one class path: a list in a fixed order, not a wildcard.
class_path() {
  printf '%s:' "$1"/jars/*.jar
}

java_tool() {
  local home=$1
  shift
  java "${TOOL_FLAGS[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$home/jars/*" "$@"
}

# Our own broker only: a reused process number has another command line.
running_pid() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "kafka.Kafka $1/server.properties" || return 1
  echo "$pid"
}

answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Two ports below the range that the kernel gives to outgoing connections, so that none is taken while the broker is down.
free_port() {
  local port lowest
  lowest=$(cut -f1 /proc/sys/net/ipv4/ip_local_port_range 2>/dev/null || echo 32768)
  while :; do
    port=$((10000 + (RANDOM * 32768 + RANDOM) % (lowest > 12000 ? lowest - 10002 : 20000)))
    answers "$port" || answers $((port + 1)) || break
  done
  echo "$port"
}

write_properties() {
  local folder=$1 port=$2 property
  cat <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$folder/data
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.max.timeout.ms=900000
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# How long the controller waits before a broker that was killed may register again: 9000 by default.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=1
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=8388608
log.segment.bytes=268435456
PROPERTIES
  for property in ${FS_KAFKA_PROPERTIES:-}; do echo "$property"; done
}

# start_broker FOLDER PORT HOME [JAVA FLAG...]
start_broker() {
  local folder=$1 port=$2 home=$3 pid
  shift 3
  if [ "$port" = auto ]; then port=$(cat "$folder/port" 2>/dev/null || free_port); fi
  ! answers "$port" && ! answers $((port + 1)) || die "kafka: port $port or $((port + 1)) is taken"
  echo "$port" >"$folder/port"
  write_properties "$folder" "$port" >"$folder/server.properties"
  if [ ! -e "$folder/data/meta.properties" ]; then
    java_tool "$home" kafka.tools.StorageTool format --ignore-formatted --cluster-id MkU3OEVBNTcwNTJENDM2Qg \
      --config "$folder/server.properties" >"$folder/format.log" 2>&1 || { cat "$folder/format.log" >&2; die "kafka: cannot format $folder/data"; }
  fi
  : >"$folder/broker.log"
  setsid java -Xms"$HEAP" -Xmx"$HEAP" "${BROKER_FLAGS[@]}" "$@" -Dorg.slf4j.simpleLogger.logFile="$folder/broker.log" \
    -Dorg.slf4j.simpleLogger.showDateTime=true -cp "$(class_path "$home")" kafka.Kafka "$folder/server.properties" \
    >"$folder/stdout.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$folder/pid"
  for _ in $(seq 1200); do
    if grep -q 'Kafka Server started' "$folder/broker.log" && answers "$port"; then
      echo "127.0.0.1:$port"
      return
    fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  tail -n 20 "$folder/broker.log" "$folder/stdout.log" >&2
  kill -9 "$pid" 2>/dev/null || true
  die "kafka: the broker did not start; its log is $folder/broker.log"
}

stop_broker() {
  local folder=$1 signal=$2 pid
  pid=$(running_pid "$folder") || return 0
  kill -"$signal" "$pid"
  for _ in $(seq 300); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  ! running_pid "$folder" >/dev/null || kill -9 "$pid"
  rm -f "$folder/pid"
}

topic() {
  local folder=$1 operation=$2 name=${3:-} home server
  running_pid "$folder" >/dev/null || die "kafka: no broker runs in $folder"
  home=$(kafka_home)
  server=127.0.0.1:$(cat "$folder/port")
  [ "$operation" = list ] || [ -n "$name" ] || usage
  local command=(java_tool "$home" org.apache.kafka.tools.TopicCommand --bootstrap-server "$server")
  case $operation in
    create) "${command[@]}" --create --if-not-exists --topic "$name" --partitions "${4:-1}" --replication-factor 1 ;;
    delete) "${command[@]}" --delete --if-exists --topic "$name" ;;
    list) "${command[@]}" --list ;;
    describe) "${command[@]}" --describe --topic "$name" ;;
    offsets) java_tool "$home" org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$server" --topic "$name" ;;
    *) usage ;;
  esac
}

start() {
  local folder=$1 port=${2:-auto} home jit=()
  if running_pid "$folder" >/dev/null; then
    echo "127.0.0.1:$(cat "$folder/port")"
    return
  fi
  home=$(kafka_home)
  [ "${FS_KAFKA_JIT:-quick}" = full ] || jit=(-XX:TieredStopAtLevel=1)
  start_broker "$folder" "$port" "$home" "-XX:SharedArchiveFile=$home/classes.jsa" "${jit[@]}"
}

main() {
  local command=${1:-} folder=${2:-}
  [ -n "$command" ] || usage
  if [ "$command" = fetch ]; then
    kafka_home
    return
  fi
  [ -n "$folder" ] || usage
  if [ "$command" = train ]; then
    train "$folder"
    return
  fi
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  case $command in
    start) start "$folder" "${3:-}" ;;
    stop) stop_broker "$folder" TERM ;;
    kill9) stop_broker "$folder" KILL ;;
    status)
      if pid=$(running_pid "$folder"); then echo "up 127.0.0.1:$(cat "$folder/port") pid $pid"; else echo down && return 1; fi ;;
    topic) topic "$folder" "${@:3}" ;;
    *) usage ;;
  esac
}

main "$@"
