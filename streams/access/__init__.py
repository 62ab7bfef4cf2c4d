"""Who may do what in Kafka: one list, applied by an administrator of the cluster."""
