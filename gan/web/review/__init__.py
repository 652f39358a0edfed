"""The page of `gan data review`: look at files, and keep, drop or relabel them."""
