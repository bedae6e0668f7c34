//! What the OpenAPI document says of values that print themselves. Of the native build alone.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::calendar::Window;
use crate::figure::Because;
use crate::history::EntryCause;
use crate::live::Phase;
use crate::variant::Variant;
use crate::{Duration, Instant, Minute, Name, Percentage};

/// A number; JSON has null for one that is too large, or for none.
pub struct OrTooLarge;

impl JsonSchema for OrTooLarge {
    fn schema_name() -> Cow<'static, str> {
        "OrTooLarge".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "number" }, { "type": "null" }] })
    }
}

/// Where it stands, as the number that it is.
impl JsonSchema for Minute {
    fn schema_name() -> Cow<'static, str> {
        "Minute".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        u64::json_schema(generator)
    }
}

/// Gives types a schema under a name.
macro_rules! schema {
    ($($type:ty as $name:literal: $schema:tt;)+) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

schema! {
    Name as "Name": {
        "type": "string",
        "description": "Letters, digits, `_`, `-` and `.`; starts with a letter or a digit.",
        "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
    };
    Percentage as "Percentage": {
        "type": "number",
        "description": "Percent of all users, in steps of 0.001. A finer one is refused, never rounded.",
        "minimum": 0,
        "maximum": 100,
        "multipleOf": 0.001,
    };
    Instant as "Time": {
        "type": "string",
        "description": "RFC 3339, in UTC.",
        "format": "date-time",
        "pattern": "Z$",
    };
    Duration as "Duration": {
        "type": "string",
        "description": "A whole number and `ms`, `s`, `m`, `h`, `d` or `w`, such as `48h`.",
        "pattern": "^[0-9]{1,10}(ms|s|m|h|d|w)$",
    };
    Window as "Window": {
        "type": "string",
        "description": "Days, or a recurring part of the week: `2026-12-24/2027-01-02 Europe/Berlin`, `Mon-Thu 08:00-16:00 UTC`, `Fri 17:00-Mon 08:00`.",
        "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2}(/[0-9]{4}-[0-9]{2}-[0-9]{2})?|(Mon|Tue|Wed|Thu|Fri|Sat|Sun).*)( [^ ]+)?$",
    };
    Phase as "Phase": {
        "type": "string",
        "description": "`draft`: not started. `running`: the schedule advances it. `paused`: stays where it is. `rolled_back`: back at a smaller percentage, or at 0 %. `completed`: 100 % on new for good.",
        "enum": ["draft", "running", "paused", "rolled_back", "completed"],
    };
    Variant as "Variant": {
        "type": "string",
        "description": "Which frontend.",
        "enum": ["legacy", "new"],
    };
    Because as "Because": {
        "type": "object",
        "description": "Why the verdict is what it is, where the figures alone do not say it.",
        "required": ["code"],
        "properties": {
            "code": {
                "type": "string",
                "enum": [
                    "missing", "too_few", "too_few_users", "too_few_of_legacy", "held", "few_affected", "significant",
                    "not_significant", "contrary", "not_shown_worse", "most_fail", "legacy_gone",
                ],
            },
            "missing": {
                "type": "string",
                "enum": [
                    "stale", "nothing_yet", "no_legacy", "no_page", "no_beacon", "no_event", "no_signal", "no_gauge",
                    "old_gauge", "no_data", "no_count", "silent", "nothing",
                ],
            },
            "age_ms": { "type": "integer" },
            "for_ms": { "type": "integer" },
            "needed_ms": { "type": "integer" },
            "found": { "type": "number" },
            "needed": { "type": "number" },
            "rest_ms": { "type": "integer", "description": "How long the rest takes at the traffic so far." },
            "last": { "$ref": "#/components/schemas/Time" },
        },
    };
    EntryCause as "Cause": {
        "type": "object",
        "description": "What led to a change: `operator`, a person's command; `schedule`, the plan, with the `stage` that was left, its `hold` and its `gates`, or the rollouts that it comes `after`; `guardrail`, one that came true, by its `index` among those of the rollout and its `condition`; `problem`, one that makes the figures worth less and that the plan acts on; `kv`, what was found under a `key`; `served`, the version that answers of new name in a `header`; `hook`, a hook of the plan that said stop.",
        "required": ["by"],
        "properties": {
            "by": { "type": "string", "enum": ["operator", "schedule", "guardrail", "problem", "kv", "served", "hook"] },
            "stage": { "type": "string" },
            "hold": { "$ref": "#/components/schemas/Duration" },
            "after": { "type": "array", "items": { "$ref": "#/components/schemas/Name" } },
            "gates": {
                "type": "object",
                "description": "The gates of that stage. Absent in entries of before.",
                "required": ["met", "undecided"],
                "properties": {
                    "met": { "type": "integer", "minimum": 0 },
                    "undecided": { "type": "integer", "minimum": 0, "description": "Let through although their comparison could not tell: they ask only that new is not shown to be worse." },
                },
            },
            "index": { "type": "integer", "minimum": 0 },
            "condition": { "type": "string" },
            "problem": { "type": "string", "description": "Which one, such as `srm`." },
            "key": { "type": "string" },
            "text": { "type": "string", "description": "What was read under the key." },
            "header": { "type": "string" },
            "found": {
                "type": "string",
                "description": "Of KV what it was: `text` that somebody wrote, `edited_state` of the controller, `earlier_state` from before the controller knew the rollout, a key that is `gone`, or the `key` itself. Of a problem how it showed.",
            },
            "hook": { "type": "string", "description": "When the hook is asked, such as `before canary`." },
            "said": { "type": "string", "description": "What it said." },
        },
    };
}
