"""The page of `gan train --report live`: the report of a run while it trains."""
