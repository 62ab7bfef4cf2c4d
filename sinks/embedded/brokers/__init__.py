"""The brokers that can be started here: Tansu, one static binary, and Apache Kafka."""
