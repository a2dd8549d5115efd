//! Destinations: their types, and the settings that all types share.

use super::{Case, case, schema_only};

pub(super) const CASES: &[Case] = &[
    case("destinations", "[]", &["spec.destinations", "at least 1"]),
    case(
        "destinations",
        "[{name: out}]",
        &["spec.destinations[0]", "exactly one of stdout"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, loki: {url: 'http://loki'}}]",
        &["spec.destinations[0]", "exactly one of stdout"],
    ),
    case(
        "destinations",
        "[{name: Out, stdout: {}}]",
        &["spec.destinations[0].name", "lower-case letters"],
    ),
    case(
        "destinations",
        "[{name: a, stdout: {}}, {name: a, stdout: {}}]",
        &["spec.destinations[1]", "Duplicate value"],
    ),
    case(
        "destinations",
        "[{name: out, sources: [other], stdout: {}}]",
        &["spec", "a destination names a source that is not in sources"],
    ),
    case(
        "destinations",
        "[{name: out, sources: [s, s], stdout: {}}]",
        &["spec.destinations[0].sources[1]", "Duplicate value"],
    ),
    schema_only(
        "destinations",
        "[{name: out, sources: [], stdout: {}}]",
        &["spec.destinations[0].sources", "at least 1"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {format: XML}}]",
        &["spec.destinations[0].stdout.format", "\"Raw\", \"JSON\""],
    ),
    schema_only(
        "destinations",
        "[{name: out, file: {path: /x}}]",
        &["unknown field \"spec.destinations[0].file\""],
    ),
    // addresses
    case(
        "destinations",
        "[{name: out, http: {url: 'http://user:secret@host'}}]",
        &["spec.destinations[0].http.url", "no user name or password (use auth)"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'http://host/a b'}}]",
        &["spec.destinations[0].http.url", "must be a URL"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'http://host:99999'}}]",
        &["spec.destinations[0].http.url", "must be a URL"],
    ),
    case(
        "destinations",
        "[{name: out, http: {}}]",
        &["spec.destinations[0].http.url", "Required value"],
    ),
    case(
        "destinations",
        "[{name: out, loki: {url: 'ftp://loki'}}]",
        &["spec.destinations[0].loki.url", "http:// or https://"],
    ),
    case(
        "destinations",
        "[{name: out, loki: {url: loki.logging}}]",
        &["spec.destinations[0].loki.url", "http:// or https://"],
    ),
    case(
        "destinations",
        "[{name: out, loki: {url: 'http://loki?a=b'}}]",
        &["spec.destinations[0].loki.url", "no query"],
    ),
    case(
        "destinations",
        "[{name: out, loki: {url: 'http://'}}]",
        &["spec.destinations[0].loki.url", "a host"],
    ),
    case(
        "destinations",
        "[{name: out, otlp: {endpoint: 'collector:4317'}}]",
        &["spec.destinations[0].otlp.endpoint", "must be a base URL"],
    ),
    case(
        "destinations",
        "[{name: out, syslog: {address: logs}}]",
        &["spec.destinations[0].syslog.address", "must be host:port"],
    ),
    case(
        "destinations",
        "[{name: out, syslog: {address: 'logs:0'}}]",
        &["spec.destinations[0].syslog.address", "must be host:port"],
    ),
    case(
        "destinations",
        "[{name: out, kafka: {brokers: ['kafka:70000'], topic: a}}]",
        &["spec.destinations[0].kafka.brokers", "each must be host:port"],
    ),
    case(
        "destinations",
        "[{name: out, kafka: {brokers: [], topic: a}}]",
        &["spec.destinations[0].kafka.brokers", "at least 1"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'http://h'}, proxy: 'socks5://p'}]",
        &["spec.destinations[0].proxy", "must be a base URL"],
    ),
    // types
    case(
        "destinations",
        "[{name: out, http: {url: 'http://h', headers: {'a b': c}}}]",
        &["spec.destinations[0].http.headers", "each must be the name of a header"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'http://h', headers: {a: \"b\\r\\nc: d\"}}}]",
        &["spec.destinations[0].http.headers.a", "should match"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'http://h', headers: {Authorization: secret}}}]",
        &["spec.destinations[0].http.headers", "credentials belong into auth"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'http://h', headers: {Content-Length: '1'}}}]",
        &["spec.destinations[0].http.headers", "the sidecar sets"],
    ),
    case(
        "destinations",
        "[{name: out, loki: {url: 'http://l', tenant: 'a b'}}]",
        &["spec.destinations[0].loki.tenant", "must be the id of a tenant"],
    ),
    case(
        "destinations",
        "[{name: out, loki: {url: 'http://l', labels: {__name__: a}}}]",
        &["spec.destinations[0].loki.labels", "not beginning with '__'"],
    ),
    case(
        "destinations",
        "[{name: out, loki: {url: 'http://l', labels: {app: ''}}}]",
        &["spec.destinations[0].loki.labels.app", "should match"],
    ),
    schema_only(
        "destinations",
        "[{name: out, loki: {url: 'http://l', labels: {a: a, b: b, c: c, d: d, e: e, f: f, g: g, h: h, i: i, j: j, k: k, l: l, m: m, n: n, o: o, p: p}}}]",
        &["spec.destinations[0].loki.labels", "at most 15"],
    ),
    case(
        "destinations",
        "[{name: out, elasticsearch: {url: 'http://e'}}]",
        &["spec.destinations[0].elasticsearch", "exactly one of dataStream, index"],
    ),
    case(
        "destinations",
        "[{name: out, elasticsearch: {url: 'http://e', dataStream: a, index: b}}]",
        &["spec.destinations[0].elasticsearch", "exactly one of dataStream, index"],
    ),
    case(
        "destinations",
        "[{name: out, elasticsearch: {url: 'http://e', index: Logs}}]",
        &[
            "spec.destinations[0].elasticsearch.index",
            "must be the name of an index",
        ],
    ),
    case(
        "destinations",
        "[{name: out, elasticsearch: {url: 'http://e', index: 'a-{YYYY}'}}]",
        &["spec.destinations[0].elasticsearch.index", "{yyyy.MM.dd}"],
    ),
    case(
        "destinations",
        "[{name: out, elasticsearch: {url: 'http://e', dataStream: 'a,b'}}]",
        &[
            "spec.destinations[0].elasticsearch.dataStream",
            "must be the name of a data stream",
        ],
    ),
    case(
        "destinations",
        "[{name: out, syslog: {address: 'l:514', protocol: tcp}}]",
        &["spec.destinations[0].syslog.protocol", "\"TCP\""],
    ),
    case(
        "destinations",
        "[{name: out, syslog: {address: 'l:514', facility: local9}}]",
        &["spec.destinations[0].syslog.facility", "\"local7\""],
    ),
    case(
        "destinations",
        "[{name: out, syslog: {address: 'l:514', appName: 'my app'}}]",
        &["spec.destinations[0].syslog.appName", "visible ASCII"],
    ),
    case(
        "destinations",
        "[{name: out, splunk: {url: 'http://s'}}]",
        &["spec.destinations[0].splunk.token", "Required value"],
    ),
    case(
        "destinations",
        "[{name: out, kafka: {brokers: ['k:1'], topic: '..'}}]",
        &["spec.destinations[0].kafka.topic", "must be the name of a topic"],
    ),
    case(
        "destinations",
        "[{name: out, kafka: {brokers: ['k:1'], topic: a, sasl: {mechanism: GSSAPI, secretRef: {name: a}}}}]",
        &["spec.destinations[0].kafka.sasl.mechanism", "\"SCRAM-SHA-256\""],
    ),
    case(
        "destinations",
        "[{name: out, s3: {bucket: A, region: r}}]",
        &["spec.destinations[0].s3.bucket", "must be the name of a bucket"],
    ),
    case(
        "destinations",
        "[{name: out, s3: {bucket: abc, region: 'EU Central'}}]",
        &["spec.destinations[0].s3.region", "must be a region"],
    ),
    case(
        "destinations",
        "[{name: out, s3: {bucket: abc, region: r, keyPrefix: '/a/{year}'}}]",
        &["spec.destinations[0].s3.keyPrefix", "must be a prefix such as"],
    ),
    case(
        "destinations",
        "[{name: out, s3: {bucket: abc, region: r, credentials: {}}}]",
        &[
            "spec.destinations[0].s3.credentials",
            "exactly one of secretRef, webIdentityTokenFile",
        ],
    ),
    case(
        "destinations",
        "[{name: out, s3: {bucket: abc, region: r, credentials: {webIdentityTokenFile: /a/../b}}}]",
        &["webIdentityTokenFile", "without . and .."],
    ),
    // security
    case(
        "destinations",
        "[{name: out, loki: {url: 'https://l'}, tls: {insecureSkipVerify: true, ca: {secretKeyRef: {name: a, key: b}}}}]",
        &["spec.destinations[0].tls", "insecureSkipVerify makes ca meaningless"],
    ),
    case(
        "destinations",
        "[{name: out, loki: {url: 'https://l'}, tls: {ca: {}}}]",
        &[
            "spec.destinations[0].tls.ca",
            "exactly one of configMapKeyRef, secretKeyRef",
        ],
    ),
    case(
        "destinations",
        "[{name: out, loki: {url: 'https://l'}, tls: {serverName: 'a b'}}]",
        &["spec.destinations[0].tls.serverName", "must be a host name"],
    ),
    case(
        "destinations",
        "[{name: out, loki: {url: 'http://l'}, tls: {insecureSkipVerify: true}}]",
        &[
            "spec.destinations[0]",
            "the address begins with http://, write https://",
        ],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, tls: {}}]",
        &["spec.destinations[0]", "stdout has no connection"],
    ),
    case(
        "destinations",
        "[{name: out, syslog: {address: 'l:1'}, tls: {}}]",
        &["spec.destinations[0]", "syslog uses TLS with protocol TLS only"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'https://h'}, auth: {}}]",
        &["spec.destinations[0].auth", "exactly one of basic"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'https://h'}, auth: {basic: {secretRef: {name: a}}, bearer: {secretKeyRef: {name: a, key: b}}}}]",
        &["spec.destinations[0].auth", "exactly one of basic"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'https://h'}, auth: {basic: {secretRef: {name: ../../etc}}}}]",
        &["auth.basic.secretRef.name", "must be the name of an object"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'https://h'}, auth: {bearer: {secretKeyRef: {name: a, key: ../b}}}}]",
        &["auth.bearer.secretKeyRef.key", "must be a key"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'https://h'}, auth: {header: {name: 'A:', secretKeyRef: {name: a, key: b}}}}]",
        &["auth.header.name", "must be the name of a header"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'https://h'}, auth: {basic: {secretRef: {name: a}, password: hunter2}}}]",
        &["unknown field", "auth.basic.password"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'https://h'}, auth: {oauth2: {tokenURL: x, secretRef: {name: a}}}}]",
        &["auth.oauth2.tokenURL", "must be a URL"],
    ),
    case(
        "destinations",
        "[{name: out, http: {url: 'https://h'}, auth: {oauth2: {tokenURL: 'https://t', scopes: ['a b'], secretRef: {name: a}}}}]",
        &["auth.oauth2.scopes", "each must be one scope"],
    ),
    case(
        "destinations",
        "[{name: out, kafka: {brokers: ['k:1'], topic: a}, auth: {basic: {secretRef: {name: a}}}}]",
        &["spec.destinations[0]", "kafka sasl"],
    ),
    // sending
    case(
        "destinations",
        "[{name: out, stdout: {}, proxy: 'http://p'}]",
        &["spec.destinations[0]", "not for stdout, syslog and kafka"],
    ),
    case(
        "destinations",
        "[{name: out, loki: {url: 'http://l'}, compression: Lz4}]",
        &["spec.destinations[0]", "loki Snappy"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, compression: Gzip}]",
        &["spec.destinations[0]", "stdout None"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, compression: Brotli}]",
        &["spec.destinations[0].compression", "\"Zstd\""],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, timeout: 0s}]",
        &["spec.destinations[0].timeout", "must be from 1ms to 10m"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, timeout: 1h}]",
        &["spec.destinations[0].timeout", "must be from 1ms to 10m"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, batch: {maxBytes: 0}}]",
        &["spec.destinations[0].batch.maxBytes", "must be from 1 to 64Mi"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, batch: {maxBytes: 1Gi}}]",
        &["spec.destinations[0].batch.maxBytes", "must be from 1 to 64Mi"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, batch: {maxDelay: 1h}}]",
        &["spec.destinations[0].batch.maxDelay", "must be from 0s to 10m"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, batch: {inFlight: 0}}]",
        &["spec.destinations[0].batch.inFlight", "greater than or equal to 1"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, batch: {inFlight: 65}}]",
        &["spec.destinations[0].batch.inFlight", "less than or equal to 64"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, retry: {initialBackoff: 1m, maxBackoff: 1s}}]",
        &[
            "spec.destinations[0].retry",
            "initialBackoff must not be longer than maxBackoff",
        ],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, retry: {initialBackoff: 0s}}]",
        &["spec.destinations[0].retry.initialBackoff", "must be from 1ms to 1h"],
    ),
    case(
        "destinations",
        "[{name: out, stdout: {}, retry: {giveUpAfter: 0s}}]",
        &["spec.destinations[0].retry.giveUpAfter", "must be from 1s to"],
    ),
];
