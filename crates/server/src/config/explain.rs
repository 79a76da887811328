use super::load::{Loaded, get};
use super::{Config, KEYS, Key, SECTIONS};
use serde_json::json;
use std::fmt::Write as _;
use toml::Table;

fn table(of: &Config) -> Table {
    Table::try_from(of).expect("a configuration is TOML")
}

fn shown(table: &Table, key: &Key) -> String {
    get(table, key).map(shown_value).unwrap_or_default()
}

/// As it would be written in the file, on one line.
fn shown_value(value: &toml::Value) -> String {
    match value {
        toml::Value::Table(table) => {
            let parts: Vec<String> = table.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            format!("{{ {} }}", parts.join(", "))
        }
        other => other.to_string(),
    }
}

/// Every key with its comment, default, value and source.
pub fn print_explained(loaded: &Loaded, as_json: bool) -> String {
    let (defaults, current) = (table(&Config::default()), table(&loaded.config));
    let mut out = String::new();
    if as_json {
        let keys: Vec<_> = KEYS
            .iter()
            .map(|key| {
                json!({
                    "key": format!("{}.{}", key.section, key.name),
                    "comment": key.comment.trim(),
                    "default": get(&defaults, key),
                    "value": get(&current, key),
                    "source": loaded.source(key).to_string(),
                })
            })
            .collect();
        let _ = writeln!(out, "{}", json!(keys));
        return out;
    }
    match &loaded.file {
        Some(file) => {
            let _ = writeln!(out, "# from {}", file.display());
        }
        None => out.push_str("# no sotto.toml here: defaults, environment and flags\n"),
    }
    for (section, about) in SECTIONS {
        let _ = writeln!(out, "\n{}[{section}]", comment_lines(about));
        for key in KEYS.iter().filter(|key| key.section == *section) {
            let source = loaded.source(key);
            let (default, value) = (shown(&defaults, key), shown(&current, key));
            let note = if value == default {
                format!("default; {}", environment_name(key))
            } else {
                format!("from {source}; default {default}")
            };
            let _ = writeln!(out, "{}{} = {value}  # {note}", comment_lines(key.comment), key.name);
        }
    }
    out
}

fn comment_lines(text: &str) -> String {
    text.lines().map(|line| format!("# {}\n", line.trim())).collect()
}

fn environment_name(key: &Key) -> String {
    format!("SOTTO_{}_{}", key.section, key.name).to_ascii_uppercase()
}

/// docs/configuration.md, whole.
pub fn markdown() -> String {
    let defaults = table(&Config::default());
    let mut out = String::from(
        "# Configuration\n\n\
         `sottod` runs without any. What you set is read from `sotto.toml` in the current folder (or the file named by \
         `--config`),\nthen from the environment (`SOTTO_SECTION_KEY`), then from flags; later ones win. Unknown keys are \
         refused. `sottod config --explain`\nprints every key with its value and where it came from, `sottod check-config` \
         checks a file without starting.\n\nThis page is what `sottod config --markdown` prints.\n",
    );
    for (section, about) in SECTIONS {
        let about = about.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let _ = writeln!(out, "\n## [{section}]\n\n{about}\n\n| key | default | what |\n| --- | --- | --- |");
        for key in KEYS.iter().filter(|key| key.section == *section) {
            let comment = key.comment.lines().map(str::trim).collect::<Vec<_>>().join(" ").replace('|', "\\|");
            let _ = writeln!(out, "| `{}` | `{}` | {comment} |", key.name, shown(&defaults, key));
        }
    }
    out.push_str(
        "\nIn the environment a list is separated by commas, and a rate is written as in the file: \
         `SOTTO_LIMITS_SENDS='{ burst = 100, per_minute = 600 }'`.\n",
    );
    out
}
