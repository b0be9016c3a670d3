"""Topics: what learns them (a Gibbs sampler), what reads them from a text (fold-in), and how good they are."""
