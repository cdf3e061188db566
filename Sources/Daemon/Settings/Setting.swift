import Artefacts
import Gateway
import LocalAPIContract
import Logging
import PostgresDriver
import TaskEngine
import TaskModel
import TaskStore
import Text

/// Describes one setting: its names and how its text is parsed.
///
/// This table serves the settings file, the environment and the messages.
struct Setting: Sendable {
    /// The name in the settings file: `polling.min_gap_seconds`.
    let name: String
    /// The environment variable.
    let variable: String
    /// Parses the text into the settings. Returns false if it is invalid.
    let apply: @Sendable (String, inout DaemonSettings) -> Bool
    /// Completes the sentence "must be …".
    let rule: String
    /// The current value of a setting that only a start applies. Two spellings of one value give the same text.
    var valueFromStart: (@Sendable (DaemonSettings) -> String?)?

    static let all: [Setting] = [
        Setting("state_directory", "POLLUX_STATE_DIR", rule: "a path") { text, settings in
            settings.stateDirectory = text
            return !text.isEmpty
        }.needingRestart { $0.stateDirectory.withoutDetours },
        Setting("socket", "POLLUX_SOCKET", rule: "a path") { text, settings in
            settings.socketPath = text
            return !text.isEmpty
        }.needingRestart { $0.socketPath.withoutDetours },
        Setting(
            "store", "POLLUX_STORE", rule: "\(secretRule), as in postgres://user@host/pollux"
        ) { text, settings in
            settings.store = try? PostgresAddress(text)
            return settings.store != nil
        }.needingRestart(\.store?.text),
        Setting("postgres.prepare", "POLLUX_POSTGRES_PREPARE", rule: "true or false") { text, settings in
            guard ["true", "false"].contains(text) else { return false }
            settings.keepsStatements = text == "true"
            return true
        }.needingRestart { $0.keepsStatements ? "true" : "false" },
        Setting("postgres.notify", "POLLUX_POSTGRES_NOTIFY", rule: "true or false") { text, settings in
            guard ["true", "false"].contains(text) else { return false }
            settings.notifiesProcesses = text == "true"
            return true
        }.needingRestart { $0.notifiesProcesses ? "true" : "false" },
        Setting("xhuoapi.base_url", "XHUOAPI_BASE_URL", rule: "a URL as in https://api.xhuoapi.ai/v1") {
            text, settings in
            guard let address = HTTPAddress(text) else { return false }
            settings.baseURL = address.text
            return true
        },
        seconds("polling.min_gap_seconds", "POLLUX_POLLING_MIN_GAP_SECONDS", 0.01...3_600, \.minGap),
        seconds("polling.max_gap_seconds", "POLLUX_POLLING_MAX_GAP_SECONDS", 0.01...86_400, \.maxGap),
        rate("polling.max_requests_per_second", "POLLUX_POLLING_MAX_REQUESTS_PER_SECOND", \.pollsPerSecond),
        seconds("submission.timeout_seconds", "POLLUX_SUBMISSION_TIMEOUT_SECONDS", 0.1...7_200, \.submissionTimeout),
        Setting(
            "submission.on_uncertain", "POLLUX_SUBMISSION_ON_UNCERTAIN", rule: "hold, resubmit_if_absent or fail"
        ) { text, settings in
            guard let policy = UncertainPolicy(rawValue: text) else { return false }
            settings.onUncertain = policy
            return true
        },
        Setting(
            "submission.max_in_flight", "POLLUX_SUBMISSION_MAX_IN_FLIGHT", rule: "a whole number from 1 to 100000"
        ) { text, settings in
            guard let number = Int(text), (1...100_000).contains(number) else { return false }
            settings.maxInFlight = number
            return true
        },
        rate("submission.max_per_second", "POLLUX_SUBMISSION_MAX_PER_SECOND", \.submissionsPerSecond),
        Setting(
            "upstream.max_reply_bytes", "POLLUX_UPSTREAM_MAX_REPLY_BYTES",
            rule: "a whole number of bytes from 65536 (64 KiB) to 1073741824 (1 GiB)"
        ) { text, settings in
            guard let number = Int(text), (1 << 16...1 << 30).contains(number) else { return false }
            settings.maxReplyBytes = number
            return true
        },
        Setting("upstream.proxy", "POLLUX_UPSTREAM_PROXY", rule: "a proxy as in http://10.0.0.1:3128") {
            text, settings in
            settings.proxy = text
            return !text.isEmpty
        },
        path("upstream.ca_file", "POLLUX_UPSTREAM_CA_FILE", \.authoritiesFile),
        Setting(
            "callbacks.listen", "POLLUX_CALLBACKS_LISTEN", rule: "a host and a port, as in 127.0.0.1:8443"
        ) { text, settings in
            guard let address = ListenAddress(text) else { return false }
            settings.callbacks.listen = address
            return true
        }.needingRestart(\.callbacks.listen?.description),
        Setting(
            "callbacks.public_url", "POLLUX_CALLBACKS_PUBLIC_URL", rule: "a URL as in https://pollux.example.org"
        ) { text, settings in
            guard let address = HTTPAddress(text) else { return false }
            settings.callbacks.publicURL = address.text
            return true
        }.needingRestart(\.callbacks.publicURL),
        path("callbacks.certificate_file", "POLLUX_CALLBACKS_CERTIFICATE_FILE", \.callbacks.certificateFile)
            .needingRestart { $0.callbacks.certificateFile?.withoutDetours },
        path("callbacks.key_file", "POLLUX_CALLBACKS_KEY_FILE", \.callbacks.keyFile)
            .needingRestart { $0.callbacks.keyFile?.withoutDetours },
        Setting(
            "gateway.listen", "POLLUX_GATEWAY_LISTEN", rule: "a host and a port, as in 127.0.0.1:8484"
        ) { text, settings in
            guard let address = ListenAddress(text) else { return false }
            settings.gateway.listen = address
            return true
        }.needingRestart(\.gateway.listen?.description),
        path("gateway.socket", "POLLUX_GATEWAY_SOCKET", \.gateway.socket)
            .needingRestart { $0.gateway.socket?.withoutDetours },
        path("gateway.certificate_file", "POLLUX_GATEWAY_CERTIFICATE_FILE", \.gateway.certificateFile)
            .needingRestart { $0.gateway.certificateFile?.withoutDetours },
        path("gateway.key_file", "POLLUX_GATEWAY_KEY_FILE", \.gateway.keyFile)
            .needingRestart { $0.gateway.keyFile?.withoutDetours },
        hosts("gateway.hosts", "POLLUX_GATEWAY_HOSTS", as: "host.docker.internal", \.gateway.rules.hosts),
        Setting(
            "gateway.max_body_bytes", "POLLUX_GATEWAY_MAX_BODY_BYTES",
            rule: "a whole number of bytes from 65536 (64 KiB) to 134217728 (128 MiB)"
        ) { text, settings in
            guard let number = Int(text), (1 << 16...1 << 27).contains(number) else { return false }
            settings.gateway.rules.maxBodyBytes = number
            return true
        },
        Setting("gateway.unknown", "POLLUX_GATEWAY_UNKNOWN", rule: "pass or refuse") { text, settings in
            guard ["pass", "refuse"].contains(text) else { return false }
            settings.gateway.rules.passesUnknown = text == "pass"
            return true
        },
        Setting("gateway.adopt", "POLLUX_GATEWAY_ADOPT", rule: "true or false") { text, settings in
            guard ["true", "false"].contains(text) else { return false }
            settings.gateway.rules.adopts = text == "true"
            return true
        },
        seconds(
            "gateway.retry_window_seconds", "POLLUX_GATEWAY_RETRY_WINDOW_SECONDS", 1...86_400,
            \.gateway.rules.retryWindow),
        Setting("gateway.callbacks", "POLLUX_GATEWAY_CALLBACKS", rule: "deliver or pass") { text, settings in
            guard ["deliver", "pass"].contains(text) else { return false }
            settings.gateway.rules.deliversCallbacks = text == "deliver"
            return true
        },
        Setting(
            "dashboard.listen", "POLLUX_DASHBOARD_LISTEN", rule: "a host and a port, as in 127.0.0.1:8485"
        ) { text, settings in
            settings.dashboard.listen = ListenAddress(text)
            return settings.dashboard.listen != nil
        }.needingRestart(\.dashboard.listen?.description),
        Setting(
            "dashboard.public_url", "POLLUX_DASHBOARD_PUBLIC_URL",
            rule: "a URL without a path, as in https://pollux.example.org"
        ) { text, settings in
            guard let address = HTTPAddress(text), address.isServer else { return false }
            settings.dashboard.publicURL = address.text
            return true
        }.needingRestart(\.dashboard.publicURL),
        path("dashboard.certificate_file", "POLLUX_DASHBOARD_CERTIFICATE_FILE", \.dashboard.certificateFile)
            .needingRestart { $0.dashboard.certificateFile?.withoutDetours },
        path("dashboard.key_file", "POLLUX_DASHBOARD_KEY_FILE", \.dashboard.keyFile)
            .needingRestart { $0.dashboard.keyFile?.withoutDetours },
        hosts("dashboard.hosts", "POLLUX_DASHBOARD_HOSTS", as: "pollux.example.org", \.dashboard.hosts),
        Setting(
            "events.max_streams", "POLLUX_EVENTS_MAX_STREAMS", rule: "a whole number from 1 to 100000"
        ) { text, settings in
            guard let number = Int(text), (1...100_000).contains(number) else { return false }
            settings.maxStreams = number
            return true
        }.needingRestart { String($0.maxStreams) },
        span("retention.ended", "POLLUX_RETENTION_ENDED", \.retention.ended),
        span("retention.failed", "POLLUX_RETENTION_FAILED", \.retention.failed),
        span("retention.responses", "POLLUX_RETENTION_RESPONSES", \.retention.responses),
        span("retention.events", "POLLUX_RETENTION_EVENTS", \.retention.events),
        span("retention.idempotency_keys", "POLLUX_RETENTION_IDEMPOTENCY_KEYS", \.retention.idempotencyKeys),
        span("retention.artefacts", "POLLUX_RETENTION_ARTEFACTS", \.retention.artefacts),
        span("retention.ledger", "POLLUX_RETENTION_LEDGER", \.retention.ledger),
        Setting("artefacts.capture", "POLLUX_ARTEFACTS_CAPTURE", rule: "results or off") { text, settings in
            settings.artefacts.isOn = text == "results"
            return ["results", "off"].contains(text)
        },
        Setting(
            "artefacts.except", "POLLUX_ARTEFACTS_EXCEPT", rule: "providers and endpoints, as in runway, suno/audios"
        ) { text, settings in
            let names = text.split { $0 == "," || $0.isWhitespace }.map(String.init)
            settings.artefacts.exceptions = Set(names)
            return !names.isEmpty
        },
        path("artefacts.directory", "POLLUX_ARTEFACTS_DIRECTORY", \.artefactDirectory)
            .needingRestart { $0.artefactDirectory?.withoutDetours },
        Setting(
            "artefacts.name", "POLLUX_ARTEFACTS_NAME",
            rule:
                "a path of {date}, {endpoint}, {service}, {operation}, {label.NAME}, {id} and {n} whose last part has {id} and {n}, as in \(ArtefactNames.standardTemplate)"
        ) { text, settings in
            guard let names = ArtefactNames(text) else { return false }
            settings.artefacts.names = names
            return true
        },
        size("artefacts.quota", "POLLUX_ARTEFACTS_QUOTA") { $0.artefactLimits.quota = $1 },
        size("artefacts.keep_free", "POLLUX_ARTEFACTS_KEEP_FREE") { $0.artefactLimits.keepFree = $1 },
        size("artefacts.max_object", "POLLUX_ARTEFACTS_MAX_OBJECT") { $0.artefacts.maxObject = $1 },
        span("retention.stubs", "POLLUX_RETENTION_STUBS", \.retention.stubs),
        Setting(
            "reconcile.every", "POLLUX_RECONCILE_EVERY", rule: "a duration of at least an hour with its unit, as in 24h"
        ) { text, settings in
            guard let span = TimeSpan.read(text), span >= .seconds(3_600), Int64(text) == nil else { return false }
            settings.reconcileInterval = span
            return true
        },
        Setting("notifications.task_urls", "POLLUX_NOTIFICATIONS_TASK_URLS", rule: "off, https or loopback") {
            text, settings in
            guard let policy = TaskURLPolicy(rawValue: text) else { return false }
            settings.taskURLs = policy
            return true
        },
        Setting(
            "metrics.listen", "POLLUX_METRICS_LISTEN", rule: "a host and a port, as in 127.0.0.1:9464"
        ) { text, settings in
            settings.metricsListen = ListenAddress(text)
            return settings.metricsListen != nil
        }.needingRestart(\.metricsListen?.description),
        Setting("log.format", "POLLUX_LOG_FORMAT", rule: "text or json") { text, settings in
            guard let format = LogFormat(rawValue: text) else { return false }
            settings.logFormat = format
            return true
        },
        Setting(
            "log.level", "POLLUX_LOG_LEVEL", rule: "trace, debug, info, notice, warning, error or critical"
        ) { text, settings in
            guard let level = Logger.Level(rawValue: text.lowercased()) else { return false }
            settings.logLevel = level
            return true
        },
    ]

    private init(
        _ name: String, _ variable: String, rule: String,
        apply: @escaping @Sendable (String, inout DaemonSettings) -> Bool
    ) {
        self.name = name
        self.variable = variable
        self.rule = rule
        self.apply = apply
    }

    /// The same setting, applied only at a start.
    private func needingRestart(_ value: @escaping @Sendable (DaemonSettings) -> String?) -> Setting {
        var setting = self
        setting.valueFromStart = value
        return setting
    }

    private static func seconds(
        _ name: String, _ variable: String, _ range: ClosedRange<Double>,
        _ target: any WritableKeyPath<DaemonSettings, Duration> & Sendable
    ) -> Setting {
        let rule = "a number of seconds from \(range.lowerBound) to \(Int(range.upperBound))"
        return Setting(name, variable, rule: rule) { text, settings in
            guard let number = Double(text), range.contains(number) else { return false }
            settings[keyPath: target] = .seconds(rounding: number)
            return true
        }
    }

    /// Parses a duration. A bare number is rejected: 90 would be seconds to Pollux, but the user may mean days.
    private static func span(
        _ name: String, _ variable: String, _ target: any WritableKeyPath<DaemonSettings, Duration?> & Sendable
    ) -> Setting {
        Setting(name, variable, rule: "a duration with its unit (s, m, h, d or w), as in 90d") { text, settings in
            guard let span = TimeSpan.read(text), span > .zero, Int64(text) == nil else { return false }
            settings[keyPath: target] = span
            return true
        }
    }

    private static func size(
        _ name: String, _ variable: String, set: @escaping @Sendable (inout DaemonSettings, Int64) -> Void
    ) -> Setting {
        Setting(name, variable, rule: "a size with its unit (KiB, MiB, GiB or TiB), as in 20GiB") { text, settings in
            let digits = text.prefix { $0.isASCII && $0.isNumber }
            let units: [Substring: Int64] = ["KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40]
            guard let count = Int64(digits), let unit = units[text.dropFirst(digits.count)],
                (1...(1 << 50) / unit).contains(count)
            else { return false }
            set(&settings, count * unit)
            return true
        }
    }

    private static func path(
        _ name: String, _ variable: String, _ target: any WritableKeyPath<DaemonSettings, String?> & Sendable
    ) -> Setting {
        Setting(name, variable, rule: "a path") { text, settings in
            settings[keyPath: target] = text
            return !text.isEmpty
        }
    }

    private static func hosts(
        _ name: String, _ variable: String, as example: String,
        _ target: any WritableKeyPath<DaemonSettings, [String]> & Sendable
    ) -> Setting {
        let rule = "host names without ports, separated by spaces, as in \(example)"
        return Setting(name, variable, rule: rule) { text, settings in
            let names = text.split { $0 == " " || $0 == "," }.map(String.init)
            guard !names.isEmpty, names.allSatisfy({ HostPort($0)?.port == nil && HostPort($0) != nil }) else {
                return false
            }
            settings[keyPath: target] = names
            return true
        }
    }

    private static func rate(
        _ name: String, _ variable: String, _ target: any WritableKeyPath<DaemonSettings, Double?> & Sendable
    ) -> Setting {
        Setting(name, variable, rule: "a number above 0, at most 10000") { text, settings in
            guard let number = Double(text), number > 0, number <= 10_000 else { return false }
            settings[keyPath: target] = number
            return true
        }
    }

    /// The beginning of the rule of a value that may contain a password.
    private static let secretRule = "an address of PostgreSQL"

    /// The error for an invalid value from that source. Hides a URL that contains a password.
    static func refusal(of value: String, for name: String, from place: String, rule: String) -> DaemonError {
        if rule.hasPrefix(secretRule) { return .badSetting("\(place) sets \(name), but it must be \(rule).") }
        guard HTTPAddress.mayHoldPassword(value), rule.hasPrefix("a URL") else {
            return .badSetting("\(place) says \(name) is \"\(value)\", but it must be \(rule).")
        }
        return .badSetting(
            "\(place) sets \(name) to a URL with an @, as in https://user:password@host. URLs are shown and logged, so they must not contain a user or a password. Remove them, and set the provider's token variable instead."
        )
    }
}

extension String {
    /// The path without empty segments and dots.
    var withoutDetours: String {
        "/" + split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }
}
