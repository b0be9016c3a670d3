"""What is computed from a post before a classifier sees it: clean text, decoded images, embeddings, duplicates."""
