"""What subscribers get, of a real run on Apache Kafka."""
