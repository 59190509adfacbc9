"""One file per outside system; each implements a port that a domain owns. They decide nothing about money or carbon."""
