//! Settings that are right one by one, of which one leaves no room for what another allows.

use super::Config;

/// What a byte of output may become in an answer: `\u0000`.
const ESCAPED_BYTES: u64 = 6;

/// What to tell the operator of them, a line each.
pub(super) fn of(config: &Config) -> Vec<String> {
    let Config { http, collect, .. } = config;
    let attached = config
        .attachments_max
        .saturating_mul(config.attachment_bytes_max) as u64;
    let outputs = (config.output_bytes_max as u64).saturating_mul(2 * ESCAPED_BYTES);
    let answer = outputs.saturating_add(in_base64(collect.total_bytes_max));
    [
        no_room(
            ("workspace_bytes_max", config.limits.workspace_bytes_max),
            ("attachments_max files of attachment_bytes_max", attached),
            "a request that brings them fails",
        ),
        no_room(
            ("body_bytes_max", http.body_bytes_max as u64),
            (
                "attachments_max files of attachment_bytes_max in base64",
                in_base64(attached),
            ),
            "a request that brings them is refused",
        ),
        no_room(
            ("bodies_bytes_max", http.bodies_bytes_max as u64),
            ("body_bytes_max", http.body_bytes_max as u64),
            "a request that is so large is always refused",
        ),
        no_room(
            ("answers_bytes_max", http.answers_bytes_max as u64),
            (
                "output_bytes_max twice, escaped, and return_total_bytes_max in base64",
                answer,
            ),
            "a program whose answer is so large runs in vain",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn no_room((key, has): (&str, u64), (what, wants): (&str, u64), so: &str) -> Option<String> {
    (has < wants).then(|| format!("{key} ({has}) has no room for {what} ({wants}): {so}"))
}

const fn in_base64(bytes: u64) -> u64 {
    bytes.div_ceil(3).saturating_mul(4)
}
