//! Settings in layers: each overlays the ones below it, and remembers where it came from.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use toml::{Table, Value};

/// Settings from the command line: keys of `default.toml`, values written as in a variable.
pub type Flags = BTreeMap<String, String>;

/// Why the settings cannot be used. The server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML. The parser's own error is not kept: it quotes the line, and with it the
    /// admin key.
    #[error("cannot read {}, line {line}: {message}", path.display())]
    NotToml {
        /// Which file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// Why.
        message: String,
    },
    /// A key that is none of ours.
    #[error("{origin} has an unknown key: {key}")]
    UnknownKey {
        /// Where it stands.
        origin: String,
        /// The key.
        key: String,
    },
    /// A value that cannot be used.
    #[error("cannot use {key} from {origin}: it must be {wanted}")]
    Value {
        /// The setting.
        key: String,
        /// Where its value came from.
        origin: String,
        /// What is valid.
        wanted: String,
    },
    /// An admin key that anyone would guess.
    #[error("{variable} is set but empty: give it a key, or unset it to have no admin")]
    EmptyAdminKey {
        /// Which of the two variables.
        variable: &'static str,
    },
    /// Nobody said where data should lie.
    #[error("cannot tell where data should lie: set HOGNOSE_DATA_DIR, or HOME")]
    NoDataDir,
}

/// What stands before the key in the name of a variable.
const PREFIX: &str = "HOGNOSE_";

/// The two names of the admin key, the one that wins first.
const ADMIN_KEY_NAMES: [&str; 2] = ["HOGNOSE_ADMIN_KEY", "PYTHON_EXE_KEY"];

/// The admin key as a client says it, from the variables that a server takes it from.
///
/// For the bench alone: a server keeps a digest. Empty counts as absent.
#[must_use]
pub fn admin_key_to_send(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Option<String> {
    let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
    let mut keys = ADMIN_KEY_NAMES.into_iter().filter_map(|name| {
        let key = environment.get(OsStr::new(name))?.to_str()?;
        (!key.is_empty()).then(|| key.to_owned())
    });
    keys.next()
}

/// All settings, each with the place it came from.
pub(super) struct Layers {
    values: BTreeMap<String, (Value, String)>,
}

impl Layers {
    /// The lowest layer.
    pub(super) fn defaults() -> Self {
        let table: Table = super::DEFAULTS
            .parse()
            .expect("default.toml is compiled in, and every test reads it");
        let origin = "the defaults";
        let values = table.into_iter();
        Self {
            values: values
                .map(|(key, value)| (key, (value, origin.to_owned())))
                .collect(),
        }
    }

    pub(super) fn overlay_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
            path: path.to_owned(),
            source,
        })?;
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigError::NotToml {
                path: path.to_owned(),
                line: line_at(&text, error.span().map_or(0, |span| span.start)),
                message: error.message().to_owned(),
            })?;
        let origin = path.display().to_string();
        for (key, value) in table {
            let Some(known) = self.values.get_mut(&key) else {
                return Err(ConfigError::UnknownKey { origin, key });
            };
            if !known.0.same_type(&value) {
                let wanted = wanted_by(&known.0).to_owned();
                return Err(ConfigError::Value {
                    key,
                    origin,
                    wanted,
                });
            }
            *known = (value, origin.clone());
        }
        Ok(())
    }

    /// Overlays `HOGNOSE_*`, and tells of variables that look like ours and are not.
    pub(super) fn overlay_environment(
        &mut self,
        environment: &[(OsString, OsString)],
    ) -> Result<Vec<String>, ConfigError> {
        let mut remarks = Vec::new();
        for (name, value) in environment {
            let Some(name) = name.to_str() else { continue };
            let Some(key) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let key = key.to_lowercase();
            if key == "admin_key" {
                continue;
            }
            if self.values.contains_key(&key) {
                self.overlay_text(&key, name, value)?;
            } else {
                remarks.push(format!(
                    "{} is no setting and was not used",
                    name.escape_debug()
                ));
            }
        }
        for variable in ADMIN_KEY_NAMES {
            let Some((_, value)) = environment.iter().find(|(name, _)| name == variable) else {
                continue;
            };
            if value.is_empty() {
                return Err(ConfigError::EmptyAdminKey { variable });
            }
            self.overlay_text("admin_key", variable, value)?;
            break;
        }
        Ok(remarks)
    }

    pub(super) fn overlay_flags(&mut self, flags: &Flags) -> Result<(), ConfigError> {
        for (key, value) in flags {
            self.overlay_text(key, "the command line", OsStr::new(value))?;
        }
        Ok(())
    }

    /// Overlays one value, written as in a variable.
    fn overlay_text(&mut self, key: &str, origin: &str, text: &OsStr) -> Result<(), ConfigError> {
        let Some(known) = self.values.get_mut(key) else {
            return Err(ConfigError::UnknownKey {
                origin: origin.to_owned(),
                key: key.to_owned(),
            });
        };
        let value = text.to_str().and_then(|text| match &known.0 {
            Value::Integer(_) => text
                .trim()
                .replace('_', "")
                .parse()
                .ok()
                .map(Value::Integer),
            Value::Boolean(_) => text.trim().parse().ok().map(Value::Boolean),
            Value::Array(_) => Some(Value::Array(items_of(text))),
            _ => Some(Value::String(text.to_owned())),
        });
        let Some(value) = value else {
            return Err(ConfigError::Value {
                key: key.to_owned(),
                origin: origin.to_owned(),
                wanted: wanted_by(&known.0).to_owned(),
            });
        };
        *known = (value, origin.to_owned());
        Ok(())
    }

    fn value(&self, key: &str) -> &Value {
        let (value, _) = self.values.get(key).expect("every key has a default");
        value
    }

    pub(super) fn refuse(&self, key: &str, wanted: impl Into<String>) -> ConfigError {
        let origin = self.values.get(key).map(|(_, origin)| origin.clone());
        ConfigError::Value {
            key: key.to_owned(),
            origin: origin.unwrap_or_default(),
            wanted: wanted.into(),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<&str, ConfigError> {
        let text = self.value(key).as_str();
        text.ok_or_else(|| self.refuse(key, "a text"))
    }

    pub(super) fn text_up_to(&self, key: &str, bytes_max: usize) -> Result<&str, ConfigError> {
        let text = self.text(key)?;
        let fits = text.len() <= bytes_max;
        fits.then_some(text)
            .ok_or_else(|| self.refuse(key, format!("at most {bytes_max} bytes long")))
    }

    /// A path, or `None` where the text is empty.
    pub(super) fn path(&self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        let text = self.text(key)?;
        Ok((!text.is_empty()).then(|| PathBuf::from(text)))
    }

    pub(super) fn parsed<T: FromStr>(&self, key: &str, wanted: &str) -> Result<T, ConfigError> {
        let parsed = self.text(key)?.trim().parse().ok();
        parsed.ok_or_else(|| self.refuse(key, wanted))
    }

    pub(super) fn truth(&self, key: &str) -> Result<bool, ConfigError> {
        let truth = self.value(key).as_bool();
        truth.ok_or_else(|| self.refuse(key, "true or false"))
    }

    pub(super) fn number<T: TryFrom<u64>>(
        &self,
        key: &str,
        valid: RangeInclusive<u64>,
    ) -> Result<T, ConfigError> {
        let number = self.value(key).as_integer();
        number
            .and_then(|number| u64::try_from(number).ok())
            .filter(|number| valid.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                let (least, most) = (valid.start(), valid.end());
                self.refuse(key, format!("a whole number from {least} to {most}"))
            })
    }

    pub(super) fn milliseconds(
        &self,
        key: &str,
        valid: RangeInclusive<u64>,
    ) -> Result<Duration, ConfigError> {
        self.number(key, valid).map(Duration::from_millis)
    }

    pub(super) fn list<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, ConfigError> {
        let items = self.value(key).as_array();
        let items = items.ok_or_else(|| self.refuse(key, wanted))?;
        let read = items.iter().map(|item| item.as_str().and_then(&read));
        read.collect::<Option<Vec<T>>>()
            .ok_or_else(|| self.refuse(key, wanted))
    }
}

/// The line, from 1, that the byte `at` of a text stands on.
fn line_at(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn items_of(text: &str) -> Vec<Value> {
    if text.trim() == "none" {
        return Vec::new();
    }
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    items.map(|item| Value::String(item.to_owned())).collect()
}

const fn wanted_by(default: &Value) -> &'static str {
    match default {
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list of texts",
        _ => "a text",
    }
}
