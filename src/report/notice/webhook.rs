//! A message as the body of a webhook: JSON, as Standard Webhooks recommends it, with everything in it that there is. Its
//! schema is `schemas/webhook.schema.json`.

use serde_json::{Value, json};

use crate::alerts::notice::instant;

use super::{Words, line};

/// The most bytes of a body. Receivers commonly take 256 KiB and more.
pub const MOST_BYTES: usize = 200 * 1024;

/// The body as JSON. It is the same for every attempt, unless the message has become late meanwhile.
#[must_use]
pub fn payload(words: &Words<'_>) -> Value {
    let message = words.notice.message;
    let mut data = words.notice.data();
    data["title"] = Value::String(words.title.clone());
    data["text"] = Value::String(words.text.clone());
    for item in data["items"].as_array_mut().into_iter().flatten() {
        for value in item.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            if let Value::String(text) = value {
                *text = line(text);
            }
        }
    }
    // Kinds of events are told apart by this without a look into what is below it.
    let mut payload = json!({
        "type": format!("{}.{}", message.topic.code(), message.event.code()),
        "timestamp": instant(message.at),
        "data": data,
    });
    while payload.to_string().len() > MOST_BYTES && halve(&mut payload["data"]) {}
    payload
}

/// Lists half as many items; false where there is none left.
fn halve(data: &mut Value) -> bool {
    let Some(items) = data["items"].as_array_mut() else { return false };
    if items.is_empty() {
        return false;
    }
    items.truncate(items.len() / 2);
    let listed = items.len() as u64;
    let total = data["itemsTotal"].as_u64().unwrap_or_default();
    data["itemsCut"] = json!(total - listed.min(total));
    true
}

/// The same as it is posted, and signed.
#[must_use]
pub fn body(words: &Words<'_>) -> String {
    payload(words).to_string()
}
