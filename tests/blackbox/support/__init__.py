"""What the black-box tests share: the server as a process, a Kafka broker, small waits."""
