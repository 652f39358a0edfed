"""The page of `gan rate`: people look at pictures, one or two at a time, and say what they think."""
