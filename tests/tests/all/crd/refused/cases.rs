//! Everything but destinations.

use super::{Case, case, schema_only};

pub(super) const OBJECT: &[Case] = &[
    schema_only(
        "selector",
        "{}",
        &["spec.selector", "an empty selector would match every Deployment"],
    ),
    schema_only("selector", "{matchLabels: {}}", &["spec.selector", "name labels"]),
    schema_only("selector", "{matchExpressions: []}", &["spec.selector", "name labels"]),
    schema_only(
        "selector",
        "{matchLabels: {'a b': c}}",
        &["spec.selector.matchLabels", "each key must be the key of a label"],
    ),
    schema_only(
        "selector",
        "{matchLabels: {a: 'b c'}}",
        &["spec.selector.matchLabels", "each value must be the value of a label"],
    ),
    schema_only(
        "selector",
        "{matchExpressions: [{key: a, operator: Like}]}",
        &["spec.selector.matchExpressions[0].operator", "\"NotIn\""],
    ),
    schema_only(
        "selector",
        "{matchExpressions: [{key: a, operator: In}]}",
        &[
            "spec.selector.matchExpressions[0]",
            "operators In and NotIn need values",
        ],
    ),
    schema_only(
        "selector",
        "{matchExpressions: [{key: a, operator: Exists, values: [b]}]}",
        &["spec.selector.matchExpressions[0]", "Exists and DoesNotExist take none"],
    ),
    schema_only(
        "selector",
        "{matchExpressions: [{key: '/a', operator: Exists}]}",
        &["spec.selector.matchExpressions[0].key", "must be the key of a label"],
    ),
    schema_only("mode", "Dry", &["spec.mode", "\"Enforce\", \"Preview\""]),
    schema_only("priority", "1001", &["spec.priority", "less than or equal to 1000"]),
    schema_only("priority", "high", &["spec.priority", "must be of type integer"]),
    schema_only(
        "revisionHistoryLimit",
        "-1",
        &["spec.revisionHistoryLimit", "greater than or equal to 0"],
    ),
    schema_only(
        "deletionPolicy",
        "Orphan",
        &["spec.deletionPolicy", "\"Revert\", \"Retain\""],
    ),
    schema_only("pathes", "[]", &["unknown field \"spec.pathes\""]),
    // volume
    schema_only("volume", "{sizeLimit: -1Gi}", &["spec.volume.sizeLimit"]),
    schema_only(
        "volume",
        "{sizeLimit: -1}",
        &["spec.volume.sizeLimit", "must be from 1Mi to"],
    ),
    schema_only(
        "volume",
        "{sizeLimit: 0}",
        &["spec.volume.sizeLimit", "must be from 1Mi to"],
    ),
    schema_only(
        "volume",
        "{sizeLimit: 1k}",
        &["spec.volume.sizeLimit", "must be from 1Mi to"],
    ),
    schema_only(
        "volume",
        "{sizeLimit: 1Gi, policy: ExistingOnly}",
        &["spec.volume", "policy ExistingOnly adds none"],
    ),
    schema_only(
        "volume",
        "{maxHeldBytes: 0}",
        &["spec.volume.maxHeldBytes", "must be from 1 to"],
    ),
    schema_only("volume", "{policy: Never}", &["spec.volume.policy", "\"ExistingOnly\""]),
    schema_only(
        "volume",
        "{reclaim: Always}",
        &["spec.volume.reclaim", "\"AfterDelivery\""],
    ),
    // sidecar
    schema_only(
        "sidecar",
        "{port: 80}",
        &["spec.sidecar.port", "greater than or equal to 1024"],
    ),
    schema_only(
        "sidecar",
        "{port: 65536}",
        &["spec.sidecar.port", "less than or equal to 65535"],
    ),
    schema_only(
        "sidecar",
        "{runAsUser: 0}",
        &["spec.sidecar.runAsUser", "greater than or equal to 1"],
    ),
    schema_only(
        "sidecar",
        "{runAsGroup: 0}",
        &["spec.sidecar.runAsGroup", "greater than or equal to 1"],
    ),
    schema_only(
        "sidecar",
        "{drainTimeout: 2h}",
        &["spec.sidecar.drainTimeout", "must be from 1s to 1h"],
    ),
    schema_only(
        "sidecar",
        "{drainTimeout: 0s}",
        &["spec.sidecar.drainTimeout", "must be from 1s to 1h"],
    ),
    schema_only(
        "sidecar",
        "{drainTimeout: 20}",
        &["spec.sidecar.drainTimeout", "must be of type string"],
    ),
    schema_only(
        "sidecar",
        "{placement: First}",
        &["spec.sidecar.placement", "\"Auto\", \"Container\""],
    ),
    schema_only("sidecar", "{logLevel: info}", &["spec.sidecar.logLevel", "\"Info\""]),
    schema_only(
        "sidecar",
        "{stateVolume: Disk}",
        &["spec.sidecar.stateVolume", "\"LogVolume\""],
    ),
    schema_only(
        "sidecar",
        "{image: 'a b'}",
        &["spec.sidecar.image", "must be the name of an image"],
    ),
    schema_only(
        "sidecar",
        "{image: ''}",
        &["spec.sidecar.image", "must be the name of an image"],
    ),
    schema_only(
        "sidecar",
        "{imagePullSecrets: [a, a]}",
        &["spec.sidecar.imagePullSecrets[1]", "Duplicate value"],
    ),
    schema_only(
        "sidecar",
        "{imagePullSecrets: ['../a']}",
        &["spec.sidecar.imagePullSecrets", "each must be the name of an object"],
    ),
    schema_only(
        "sidecar",
        "{imagePullPolicy: Sometimes}",
        &["spec.sidecar.imagePullPolicy", "\"Always\""],
    ),
    schema_only(
        "sidecar",
        "{resources: {limits: {memory: much}}}",
        &["spec.sidecar.resources.limits.memory"],
    ),
    schema_only(
        "sidecar",
        "{resources: {limits: {memory: 8Mi}}}",
        &["spec.sidecar.resources", "limits.memory must be at least 16Mi"],
    ),
    schema_only(
        "sidecar",
        "{resources: {limits: {cpu: 1m}}}",
        &["spec.sidecar.resources", "limits.cpu must be at least 5m"],
    ),
    schema_only(
        "sidecar",
        "{resources: {requests: {memory: 128Mi}, limits: {memory: 64Mi}}}",
        &[
            "spec.sidecar.resources",
            "requests.memory must not be more than limits.memory",
        ],
    ),
    schema_only(
        "sidecar",
        "{resources: {requests: {cpu: 2}, limits: {cpu: 500m}}}",
        &[
            "spec.sidecar.resources",
            "requests.cpu must not be more than limits.cpu",
        ],
    ),
    schema_only(
        "sidecar",
        "{resources: {limits: {gpu: 1}}}",
        &["unknown field \"spec.sidecar.resources.limits.gpu\""],
    ),
    // rollout
    schema_only(
        "rollout",
        "{maxConcurrentRestarts: 110%}",
        &["spec.rollout.maxConcurrentRestarts", "a percentage from 1% to 100%"],
    ),
    schema_only(
        "rollout",
        "{maxConcurrentRestarts: 0}",
        &["spec.rollout.maxConcurrentRestarts", "to change nothing set paused"],
    ),
    schema_only(
        "rollout",
        "{maxConcurrentReloads: -1}",
        &["spec.rollout.maxConcurrentReloads", "a number from 1"],
    ),
    schema_only(
        "rollout",
        "{maxConcurrentReloads: half}",
        &["spec.rollout.maxConcurrentReloads", "a percentage from 1%"],
    ),
    schema_only(
        "rollout",
        "{canary: {selector: {}}}",
        &["spec.rollout.canary.selector", "an empty selector"],
    ),
    schema_only("rollout", "{canary: {soak: 30d}}", &["spec.rollout.canary.soak"]),
    schema_only(
        "rollout",
        "{healthyFor: 10m, deadline: 10m}",
        &["spec.rollout", "healthyFor must be shorter than deadline"],
    ),
    schema_only(
        "rollout",
        "{deadline: 0s, healthyFor: 0s}",
        &["spec.rollout.deadline", "must be from 1s to 24h"],
    ),
    schema_only(
        "rollout",
        "{onFailure: Continue}",
        &["spec.rollout.onFailure", "\"Halt\", \"Revert\""],
    ),
    schema_only(
        "rollout",
        "{onFailure: Revert}, revisionHistoryLimit: 0",
        &["spec", "revisionHistoryLimit must be at least 1"],
    ),
];

pub(super) const SOURCES: &[Case] = &[
    case("sources", "[]", &["spec.sources", "at least 1"]),
    case("sources", "[{name: s}]", &["spec.sources[0].paths", "Required value"]),
    case(
        "sources",
        "[{name: s, paths: []}]",
        &["spec.sources[0].paths", "at least 1"],
    ),
    case(
        "sources",
        "[{paths: [/a/b]}]",
        &["spec.sources[0].name", "Required value"],
    ),
    case(
        "sources",
        "[{name: S_1, paths: [/a/b]}]",
        &["spec.sources[0].name", "lower-case letters, digits and '-'"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b]}, {name: s, paths: [/a/c]}]",
        &["spec.sources[1]", "Duplicate value"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], pathes: [/x]}]",
        &["unknown field \"spec.sources[0].pathes\""],
    ),
    schema_only(
        "sources",
        "[{name: s, paths: [/a/b, /a/b]}]",
        &["spec.sources[0].paths[1]", "Duplicate value"],
    ),
    case(
        "sources",
        "[{name: s, paths: [var/log/a.log]}]",
        &["spec.sources[0].paths", "each must be an absolute path"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/var/log/]}]",
        &["spec.sources[0].paths", "each must be an absolute path of a file"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/var/../etc/shadow]}]",
        &["spec.sources[0].paths", "without . and .."],
    ),
    case(
        "sources",
        "[{name: s, paths: [\"/a/b\\u0007\"]}]",
        &["spec.sources[0].paths", "each must be an absolute path"],
    ),
    schema_only(
        "sources",
        "[{name: s, paths: [/proc/self/environ]}]",
        &["spec.sources[0].paths", "/proc, /sys, /dev and /etc hold no logs"],
    ),
    schema_only(
        "sources",
        "[{name: s, paths: ['/*/secret']}]",
        &[
            "spec.sources[0].paths",
            "must begin with a directory that is written out",
        ],
    ),
    schema_only(
        "sources",
        "[{name: s, paths: [/a.log]}]",
        &["spec.sources[0].paths", "must begin with a directory"],
    ),
    case(
        "sources",
        "[{name: s, container: logshipping-sidecar, paths: [/a/b]}]",
        &["spec.sources[0].container", "is the sidecar itself"],
    ),
    case(
        "sources",
        "[{name: s, container: '', paths: [/a/b]}]",
        &["spec.sources[0].container", "lower-case letters"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], exclude: ['']}]",
        &["spec.sources[0].exclude[0]", "at least 1"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], exclude: [\"a\\nb\"]}]",
        &["spec.sources[0].exclude[0]", "should match"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], ignoreOlder: 1d}]",
        &["spec.sources[0].ignoreOlder", "should match"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], ignoreOlder: 0s}]",
        &["spec.sources[0].ignoreOlder", "must be from 1s"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], maxLineBytes: lots}]",
        &["spec.sources[0].maxLineBytes"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], maxLineBytes: 0}]",
        &["spec.sources[0].maxLineBytes", "must be from 1 to 16Mi"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], maxLineBytes: 1Gi}]",
        &["spec.sources[0].maxLineBytes", "must be from 1 to 16Mi"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], unterminatedAfter: 0s}]",
        &["spec.sources[0].unterminatedAfter", "must be from 1ms to 1h"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], startAt: Middle}]",
        &["spec.sources[0].startAt", "\"Beginning\", \"End\""],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], encoding: 'utf 8'}]",
        &["spec.sources[0].encoding", "must be the name of an encoding"],
    ),
    // format
    case(
        "sources",
        "[{name: s, paths: [/a/b], format: {type: XML}}]",
        &["spec.sources[0].format.type", "\"Logfmt\""],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], format: {type: Regex}}]",
        &["spec.sources[0].format", "regex is required with type Regex"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], format: {type: JSON, regex: {pattern: '(?P<a>.)'}}}]",
        &["spec.sources[0].format", "only allowed with it"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], format: {type: Regex, regex: {pattern: ''}}}]",
        &["spec.sources[0].format.regex.pattern", "at least 1"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], format: {body: msg}}]",
        &["spec.sources[0].format", "choose a type other than Text"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], format: {type: JSON, body: ''}}]",
        &["spec.sources[0].format.body", "at least 1"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], format: {type: JSON, timestamp: {field: ts, layout: ISO}}}]",
        &["spec.sources[0].format.timestamp", "or a strftime layout such as"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], format: {type: JSON, timestamp: {field: ts, layout: Unix, timeZone: UTC}}}]",
        &[
            "spec.sources[0].format.timestamp",
            "timeZone is for RFC3339 and strftime layouts",
        ],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], format: {type: JSON, timestamp: {field: ts, layout: '%F %T', timeZone: '../x'}}}]",
        &[
            "spec.sources[0].format.timestamp.timeZone",
            "must be the name of a time zone",
        ],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], format: {type: JSON, severity: {}}}]",
        &["spec.sources[0].format.severity.field", "Required value"],
    ),
    // multiline
    case(
        "sources",
        "[{name: s, paths: [/a/b], multiline: {flushAfter: 1s}}]",
        &["spec.sources[0].multiline", "give either preset"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], multiline: {preset: Java, startPattern: a}}]",
        &["spec.sources[0].multiline", "give either preset"],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], multiline: {preset: Perl}}]",
        &["spec.sources[0].multiline.preset", "\"DotNet\""],
    ),
    case(
        "sources",
        "[{name: s, paths: [/a/b], multiline: {preset: Go, flushAfter: 0s}}]",
        &["spec.sources[0].multiline.flushAfter", "must be from 1ms to 1h"],
    ),
];

pub(super) const TRANSFORMS: &[Case] = &[
    case(
        "transforms",
        "[{}]",
        &["spec.transforms[0]", "exactly one of keep, drop"],
    ),
    case(
        "transforms",
        "[{drop: {when: {field: a, exists: true}}, remove: {fields: [a]}}]",
        &["spec.transforms[0]", "exactly one of keep, drop"],
    ),
    case(
        "transforms",
        "[{filter: {}}]",
        &["unknown field \"spec.transforms[0].filter\""],
    ),
    case(
        "transforms",
        "[{keep: {}}]",
        &["spec.transforms[0].keep.when", "Required value"],
    ),
    case(
        "transforms",
        "[{drop: {}}]",
        &["spec.transforms[0].drop.when", "Required value"],
    ),
    case(
        "transforms",
        "[{drop: {when: {field: body}}}]",
        &["spec.transforms[0].drop.when", "exactly one of equals, in"],
    ),
    case(
        "transforms",
        "[{drop: {when: {field: body, equals: a, matches: a}}}]",
        &["spec.transforms[0].drop.when", "exactly one of equals, in"],
    ),
    case(
        "transforms",
        "[{drop: {when: {field: '', exists: true}}}]",
        &["spec.transforms[0].drop.when.field", "at least 1"],
    ),
    case(
        "transforms",
        "[{drop: {when: {field: body, atLeast: Warn}}}]",
        &["spec.transforms[0].drop.when", "it needs field: severity"],
    ),
    case(
        "transforms",
        "[{drop: {when: {field: severity, atLeast: Loud}}}]",
        &["spec.transforms[0].drop.when.atLeast", "\"Fatal\""],
    ),
    case(
        "transforms",
        "[{drop: {when: {field: a, in: []}}}]",
        &["spec.transforms[0].drop.when.in", "at least 1"],
    ),
    case(
        "transforms",
        "[{redact: {}}]",
        &["spec.transforms[0].redact", "give presets or patterns"],
    ),
    case(
        "transforms",
        "[{redact: {presets: [Phone]}}]",
        &["spec.transforms[0].redact.presets[0]", "\"CreditCard\""],
    ),
    schema_only(
        "transforms",
        "[{redact: {presets: [Email, Email]}}]",
        &["spec.transforms[0].redact.presets[1]", "Duplicate value"],
    ),
    case(
        "transforms",
        "[{redact: {patterns: [{pattern: a}]}}]",
        &["spec.transforms[0].redact.patterns[0].replacement", "Required value"],
    ),
    case(
        "transforms",
        "[{redact: {patterns: [{pattern: a, replacement: \"\\u0000\"}]}}]",
        &["spec.transforms[0].redact.patterns[0].replacement", "should match"],
    ),
    case(
        "transforms",
        "[{sample: {percent: 101}}]",
        &["spec.transforms[0].sample.percent", "less than or equal to 100"],
    ),
    case(
        "transforms",
        "[{sample: {percent: -1}}]",
        &["spec.transforms[0].sample.percent", "greater than or equal to 0"],
    ),
    case(
        "transforms",
        "[{rateLimit: {recordsPerSecond: 0}}]",
        &[
            "spec.transforms[0].rateLimit.recordsPerSecond",
            "greater than or equal to 1",
        ],
    ),
    case(
        "transforms",
        "[{rateLimit: {recordsPerSecond: 1, burst: 0}}]",
        &["spec.transforms[0].rateLimit.burst", "greater than or equal to 1"],
    ),
    case(
        "transforms",
        "[{rateLimit: {recordsPerSecond: 1, onExceed: Panic}}]",
        &["spec.transforms[0].rateLimit.onExceed", "\"Wait\""],
    ),
    case(
        "transforms",
        "[{set: {fields: {}}}]",
        &["spec.transforms[0].set.fields", "at least 1 properties"],
    ),
    case(
        "transforms",
        "[{set: {fields: {'': a}}}]",
        &["spec.transforms[0].set.fields", "each must be the name of a field"],
    ),
    case(
        "transforms",
        "[{set: {fields: {a: \"b\\nc\"}}}]",
        &["spec.transforms[0].set.fields", "should match"],
    ),
    case(
        "transforms",
        "[{remove: {fields: []}}]",
        &["spec.transforms[0].remove.fields", "at least 1"],
    ),
];
