//! Valid documents that between them have every field of every kind.

use serde_json::{Value, json};
use synthex::manifest::schema;

/// Documents of each kind; together they have all of its fields.
pub(super) fn full_documents() -> Vec<Value> {
    let document = |kind: &str, spec: Value| {
        let metadata = match kind {
            "Project" | "Workspace" | "Patch" => json!({"name": "n", "labels": {"a": "b"}}),
            _ => json!({"name": "n", "workspace": "w", "labels": {"a": "b"}}),
        };
        json!({"apiVersion": schema::API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})
    };
    let row = json!({
        "tenantId": "r", "name": "R", "type": "mixed", "market": "ANZ_SMB", "region": "AU-SE1", "status": "active",
        "shopifyShop": "r.myshopify.com", "gmcMerchantId": "1", "businessId": {"country": "AU", "number": "51824753556"},
        "email": "r@b.example", "phone": "+61 2 5550 0000", "industry": "Retail", "employeeCount": 3,
        "website": "https://r.example", "template": "shopify-smb-anz", "labels": {"a": "b"}, "metadata": {"k": [1, {"l": 2}]},
        "protect": true,
    });
    let channel = |extra: Value| {
        let mut spec = json!({"description": "d", "rateLimitPerMinute": 5, "fallback": "m", "sendResolved": false, "protect": true,
            "enabled": false, "template": {"title": "t", "body": "b"},
            "network": {"allowCidrs": ["10.0.0.0/8"], "allowPorts": [8443], "allowInsecure": true, "caFile": "ca.pem"},
            "delivery": {"retry": ["5s", "5m"], "maxRetryAfter": "1h", "maxAge": "24h", "timeout": "15s"}});
        spec.as_object_mut().expect("a map").extend(extra.as_object().expect("a map").clone());
        document("NotificationChannel", spec)
    };
    let rule = |when: Value| {
        document(
            "AlertRule",
            json!({
                "enabled": false, "description": "d", "when": when,
                "selector": {"matchLabels": {"a": "b"}, "markets": ["UK_SMB"], "types": ["mixed"], "tenants": ["a*"]},
                "severity": "critical", "channels": ["n"], "schedule": "0 9 * * *", "timeZone": "UTC", "reminder": "24h", "protect": true,
                "grouping": {"by": ["tenant"], "wait": "30s", "interval": "5m"}, "flapping": {"changes": 6, "window": "1h"},
            }),
        )
    };
    let window = |every: Value| {
        document(
            "MaintenanceWindow",
            json!({
                "matchers": ["tenant=a"], "every": every, "at": "22:30", "duration": "4h", "timeZone": "Australia/Sydney",
                "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "comment": "c", "protect": true,
            }),
        )
    };
    let credential = |secret: Value| {
        document(
            "Credential",
            json!({
                "tenant": "a", "service": "shopify", "description": "d", "secretRef": secret,
                "expiresAt": "2026-12-31T00:00:00Z", "issuedAt": "2026-01-01T00:00:00Z", "renewal": "shopify-refresh-token", "status": "revoked", "protect": true,
            }),
        )
    };
    vec![
        document(
            "Project",
            json!({
                "workspace": "w", "manifests": ["m"], "prune": true, "analytics": "off", "retention": {"healthChecks": "7d", "alerts": "30d", "notifications": "30d", "metrics": "forever"}, "database": {"env": "DB"}, "limits": {"maxFileSize": "1MiB"},
                "guards": {"maxDeletes": 3, "maxDeletePercent": 50, "maxUpdatePercent": 90, "rename": true},
                "ignore": [{"path": "/metadata/notes", "target": "tenant/*", "until": "2026-12-31", "reason": "r"}],
                "pauses": [{"workspace": "w", "until": "2026-12-31", "reason": "r"}],
                "moved": [{"from": "tenant/w/a", "to": "tenant/w/b"}],
                "variables": {"CITY": "Perth"}, "environment": "prod",
                "environments": {"prod": {
                    "variables": {"CITY": "Sydney"}, "overlays": ["envs/prod"], "database": {"file": "url"}, "prune": false,
                    "guards": {"maxDeletes": 1},
                }},
            }),
        ),
        document(
            "Workspace",
            json!({
                "displayName": "W", "description": "d", "market": "ANZ_SMB", "region": "AU-SE1", "protect": true,
                "defaults": {"labels": {"a": "b"}, "industry": "Retail", "metadata": {"k": {"l": 1}}},
            }),
        ),
        document(
            "TenantTemplate",
            json!({
                "displayName": "T", "description": "d", "type": "mixed", "market": "ANZ_SMB", "region": "AU-SE1",
                "defaultMetadata": {"k": 1.5}, "requiredFields": ["shopifyShop"], "optionalFields": ["website"],
                "setupSteps": ["s"], "protect": true,
            }),
        ),
        document("TenantSet", json!({"from": {"rows": [row]}, "template": "shopify-smb-anz"})),
        document("TenantSet", json!({"from": {"csv": "rows.csv"}})),
        document(
            "Tenant",
            json!({
                "displayName": "A", "template": "shopify-smb-anz", "type": "shopify", "market": "ANZ_SMB", "region": "AU-SE1",
                "status": "inactive", "shopifyShop": "a.myshopify.com", "gmcMerchantId": "1",
                "businessId": {"country": "AU", "number": "51824753556"}, "contact": {"email": "a@b.example", "phone": "+61 2 5550 0000"},
                "industry": "Retail", "employeeCount": 3, "website": "https://a.example", "metadata": {"k": [1, "x"]}, "protect": true,
            }),
        ),
        document(
            "Patch",
            json!({
                "target": {"kind": "Tenant", "name": "A*", "workspace": "w", "selector": "tier=gold"},
                "patch": {"labels": {"a": null, "b": "c"}, "spec": {"industry": null, "metadata": {"k": 1}}},
            }),
        ),
        credential(json!({"env": "TOKEN"})),
        credential(json!({"file": "path"})),
        credential(json!({"gcpSecretManager": "projects/p/secrets/s/versions/1"})),
        channel(json!({"type": "in-app", "inApp": {"recipients": ["ops"]}})),
        channel(json!({"type": "slack", "slack": {"webhookUrl": {"env": "HOOK"}}})),
        channel(
            json!({"type": "webhook", "webhook": {"url": "https://h.example", "signingSecret": {"file": "s"},
                "previousSecret": {"secret": {"env": "S"}, "until": "2026-12-31T00:00:00Z"}}}),
        ),
        channel(json!({"type": "email", "email": {
            "transport": "smtp", "from": "a@b.example", "to": ["c@d.example"], "host": "h", "port": 25, "username": "u", "encryption": "starttls",
            "password": {"env": "P"},
        }})),
        channel(
            json!({"type": "email", "email": {"transport": "resend", "from": "a@b.example", "to": ["c@d.example"], "apiKey": {"env": "K"}}}),
        ),
        rule(
            json!({"credentialExpiry": {"thresholds": ["30d", "20%", "-3d", "expired"], "severities": {"30d": "info"}, "requireExpiry": true}}),
        ),
        rule(
            json!({"healthStatus": {"checks": ["disk"], "statuses": ["unknown"], "for": "10m", "failureThreshold": 2, "successThreshold": 1}}),
        ),
        rule(json!({"usageThreshold": {"metric": "error", "above": 5, "window": "1h"}})),
        document(
            "Silence",
            json!({"matchers": ["tenant=a"], "startsAt": "2026-12-24T00:00:00Z", "endsAt": "2026-12-25T00:00:00Z", "createdBy": "o",
                "comment": "c", "protect": true}),
        ),
        document(
            "Silence",
            json!({"matchers": ["tenant=a"], "startsAt": "2026-12-24T00:00:00Z", "duration": "4h", "createdBy": "o", "comment": "c"}),
        ),
        document(
            "Silence",
            json!({"matchers": ["tenant=a"], "startsAt": "2026-12-24T00:00:00Z", "untilResolved": true, "createdBy": "o", "comment": "c"}),
        ),
        document(
            "AlertTest",
            json!({"at": "2026-12-24T00:00:00Z", "tests": [{
                "name": "n", "at": "2026-12-25T00:00:00Z",
                "given": [
                    {"credential": {"name": "c", "tenant": "a", "service": "shopify", "expiresIn": "-3d", "life": "90d", "failedRenewals": 3}},
                    {"health": {"service": "disk", "tenant": "a", "status": "unhealthy", "for": "15m", "results": 3}},
                    {"usage": {"rule": "r", "count": 5}},
                ],
                "expect": [{
                    "rule": "r", "tenant": "a", "credential": "c", "check": "disk", "severity": "info", "threshold": "7d",
                    "channels": ["n"], "mutedBy": ["silence/s"], "unrouted": true,
                }],
            }]}),
        ),
        window(json!({"week": ["sunday"]})),
        window(json!({"day": 2})),
        window(json!({"month": [1, -1]})),
        document(
            "HealthCheck",
            json!({"service": "disk", "enabled": false, "interval": "5m", "timeout": "5s", "failureThreshold": 2, "successThreshold": 1,
                "concurrency": 4, "limits": {"degradedPercent": 70, "unhealthyPercent": 90, "leastFreeMib": 100}, "protect": true}),
        ),
    ]
}
