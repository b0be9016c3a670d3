"""Posts as they come: from files, pipes, brokers and open streams, through a classifier, to a place that keeps them."""
