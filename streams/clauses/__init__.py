"""The clauses of the agreement: what each observes, measures and judges; pure."""
