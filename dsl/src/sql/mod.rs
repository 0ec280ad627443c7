//! Redshift SQL: parsed, checked against the declared types.
