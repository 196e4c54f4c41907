//! Where in the file a setting is.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::ConfigError;

/// The same error with its line, if the file has the setting that it is about.
pub(super) fn find(error: ConfigError, path: Option<&Path>, text: &str) -> ConfigError {
    let ConfigError::Value { key, .. } = &error else { return error };
    match (path, line_of(text, key)) {
        (Some(path), Some(line)) => ConfigError::Line { error: Box::new(error), path: path.to_owned(), line },
        _ => error,
    }
}

fn line_of(text: &str, key: &str) -> Option<usize> {
    let file = DeTable::parse(text).ok()?;
    let mut table = file.get_ref();
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let (name, value) = table.iter().find(|(name, _)| name.get_ref() == part)?;
        match (parts.peek(), value.get_ref()) {
            (None, _) => return Some(text[..name.span().start].matches('\n').count() + 1),
            (Some(_), DeValue::Table(inner)) => table = inner,
            (Some(_), _) => return None,
        }
    }
    None
}
