"""What ours is measured against; each module is a program with a consumer group of its own."""
