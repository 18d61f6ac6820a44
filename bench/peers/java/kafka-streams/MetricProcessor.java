// Kafka Streams: a processor with a persistent store and its changelog topic. Runs until SIGTERM.
// PEERS_DELIVERY is its processing.guarantee, PEERS_INTERVAL_S its commit interval.

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

public final class MetricProcessor implements Processor<byte[], byte[], byte[], byte[]> {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String KEY = "count:user_click";
  private KeyValueStore<String, Long> totals;
  private ProcessorContext<byte[], byte[]> context;

  @Override
  public void init(ProcessorContext<byte[], byte[]> context) {
    this.context = context;
    totals = context.getStateStore("totals");
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    try {
      long value = JSON.readTree(record.value()).get("value").asLong();
      Long before = totals.get(KEY);
      long total = (before == null ? 0 : before) + value;
      totals.put(KEY, total);
      byte[] answer = JSON.writeValueAsBytes(JSON.createObjectNode().put("metric", "user_click").put("total", total));
      context.forward(record.withValue(answer));
    } catch (IOException error) {
      throw new IllegalArgumentException("not an event", error);
    }
  }

  public static void main(String[] arguments) {
    Map<String, String> environment = System.getenv();
    Properties settings = new Properties();
    settings.put("application.id", environment.get("PEERS_GROUP"));
    settings.put("bootstrap.servers", environment.get("PEERS_BROKER"));
    settings.put("state.dir", environment.get("PEERS_STATE"));
    settings.put("auto.offset.reset", "earliest");
    settings.put("processing.guarantee", environment.get("PEERS_DELIVERY"));
    settings.put("commit.interval.ms", Math.round(Double.parseDouble(environment.get("PEERS_INTERVAL_S")) * 1000));
    settings.put("replication.factor", 1);
    settings.put("num.stream.threads", 1);

    Serde<byte[]> bytes = Serdes.ByteArray();
    Topology topology = new Topology();
    topology.addSource("events", bytes.deserializer(), bytes.deserializer(), environment.get("PEERS_IN"));
    topology.addProcessor("metric", MetricProcessor::new, "events");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("totals"), Serdes.String(), Serdes.Long()).withLoggingEnabled(Map.of()),
        "metric");
    topology.addSink("out", environment.get("PEERS_OUT"), bytes.serializer(), bytes.serializer(), "metric");
    KafkaStreams streams = new KafkaStreams(topology, settings);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
    streams.start();
  }
}
