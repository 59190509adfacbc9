"""Reading factor sets and estimating with them: values in, values out."""
