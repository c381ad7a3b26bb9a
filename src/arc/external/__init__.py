"""External: an existing training script runs as a job, with retry, resume, timeout, cancel and tracking, without a rewrite."""
