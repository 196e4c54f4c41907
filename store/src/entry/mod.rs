//! Entries: how versions of a name are kept.
