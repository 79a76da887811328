use super::{Config, KEYS, Key, SECTIONS};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Looked for when no file is named.
const DEFAULT_FILE: &str = "sotto.toml";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Default,
    File,
    Environment(String),
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File => f.write_str("file"),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Values from the command line; they win.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub file: Option<PathBuf>,
    /// (section, key, value, flag)
    pub values: Vec<(&'static str, &'static str, Value, &'static str)>,
}

#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub sources: BTreeMap<(&'static str, &'static str), Source>,
    pub file: Option<PathBuf>,
}

impl Loaded {
    pub fn source(&self, key: &Key) -> Source {
        self.sources.get(&(key.section, key.name)).cloned().unwrap_or(Source::Default)
    }
}

/// Reads everything and checks the whole. The error lists every problem, one a line.
pub fn load(flags: &Flags, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Loaded, Vec<String>> {
    let mut problems = Vec::new();
    let mut sources = BTreeMap::new();
    let mut merged = Table::try_from(Config::default()).expect("the defaults are TOML values");
    let (file, from_file) = match read_file(flags.file.as_deref()) {
        Ok(found) => found,
        Err(problem) => return Err(vec![problem]),
    };
    merge_file(from_file, &mut merged, &mut sources, &mut problems);
    merge_environment(environment, &mut merged, &mut sources, &mut problems);
    for (section, key, value, flag) in &flags.values {
        put(&mut merged, section, key, value.clone());
        sources.insert((section, key), Source::Flag(flag));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let config: Config = merged.try_into().map_err(|error: toml::de::Error| {
        let text = error.to_string();
        vec![text.trim().replace('\n', " ")]
    })?;
    problems.extend(config.check());
    if problems.is_empty() { Ok(Loaded { config, sources, file }) } else { Err(problems) }
}

fn read_file(named: Option<&Path>) -> Result<(Option<PathBuf>, Table), String> {
    let path = match named {
        Some(path) => path.to_owned(),
        None if Path::new(DEFAULT_FILE).exists() => PathBuf::from(DEFAULT_FILE),
        None => return Ok((None, Table::new())),
    };
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let table = text.parse::<Table>().map_err(|error| format!("{}: {}", path.display(), error.to_string().trim()))?;
    Ok((Some(path), table))
}

fn merge_file(
    file: Table,
    merged: &mut Table,
    sources: &mut BTreeMap<(&'static str, &'static str), Source>,
    problems: &mut Vec<String>,
) {
    for (section, values) in file {
        let Some((section, _)) = SECTIONS.iter().find(|(known, _)| *known == section) else {
            let known = SECTIONS.iter().map(|(known, _)| *known);
            problems.push(format!("unknown section [{section}]{}", suggestion(&section, known)));
            continue;
        };
        let Value::Table(values) = values else {
            problems.push(format!("{section} is a section: write [{section}] on a line of its own"));
            continue;
        };
        for (name, value) in values {
            let Some(key) = KEYS.iter().find(|key| key.section == *section && key.name == name) else {
                let known = KEYS.iter().filter(|key| key.section == *section).map(|key| key.name);
                problems.push(format!("unknown key {section}.{name}{}", suggestion(&name, known)));
                continue;
            };
            merge_value(merged, key, value, Source::File, sources, problems);
        }
    }
}

fn merge_environment(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    merged: &mut Table,
    sources: &mut BTreeMap<(&'static str, &'static str), Source>,
    problems: &mut Vec<String>,
) {
    let names: Vec<(String, &Key)> =
        KEYS.iter().map(|key| (format!("SOTTO_{}_{}", key.section, key.name).to_ascii_uppercase(), key)).collect();
    for (name, value) in environment {
        let (Some(name), Some(text)) = (name.to_str(), value.to_str()) else { continue };
        if let Some((_, key)) = names.iter().find(|(known, _)| known == name) {
            let source = Source::Environment(name.to_owned());
            merge_value(merged, key, environment_value(merged, key, text), source, sources, problems);
            continue;
        }
        let of_a_section =
            SECTIONS.iter().any(|(section, _)| name.starts_with(&format!("SOTTO_{}_", section.to_ascii_uppercase())));
        // Other SOTTO_ variables belong to the client.
        if of_a_section {
            let known = names.iter().map(|(known, _)| known.as_str());
            problems.push(format!("unknown environment variable {name}{}", suggestion(name, known)));
        }
    }
}

/// Text is read as what the default is: text, a list separated by commas, or a TOML value.
fn environment_value(merged: &Table, key: &Key, text: &str) -> Value {
    match get(merged, key) {
        Some(Value::String(_)) => Value::String(text.to_owned()),
        Some(Value::Array(_)) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
        }
        _ => format!("value = {text}")
            .parse::<Table>()
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

fn merge_value(
    merged: &mut Table,
    key: &Key,
    value: Value,
    source: Source,
    sources: &mut BTreeMap<(&'static str, &'static str), Source>,
    problems: &mut Vec<String>,
) {
    let expected = get(merged, key).map_or("a value", type_name);
    let same = get(merged, key).is_some_and(|known| known.same_type(&value));
    if !same {
        problems.push(format!(
            "{}.{} (from {source}) must be {expected}, not {}",
            key.section,
            key.name,
            type_name(&value)
        ));
        return;
    }
    sources.insert((key.section, key.name), source);
    put(merged, key.section, key.name, value);
}

const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "{ burst = .., per_minute = .. }",
    }
}

pub fn get<'a>(table: &'a Table, key: &Key) -> Option<&'a Value> {
    table.get(key.section)?.as_table()?.get(key.name)
}

fn put(table: &mut Table, section: &str, key: &str, value: Value) {
    if let Some(Value::Table(section)) = table.get_mut(section) {
        section.insert(key.to_owned(), value);
    }
}

/// "; did you mean x?" if something known is close.
fn suggestion<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|known| (distance(unknown, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .map_or_else(|| "; `sottod config --explain` lists all".into(), |(_, known)| format!("; did you mean {known}?"))
}

/// Levenshtein's.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((to, above_left), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push((above_left + usize::from(from != *to)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
