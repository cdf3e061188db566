import Artefacts
import Foundation
import Gateway
import Logging
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import Daemon

@Suite struct SettingsLoaderTests {
    private func load(
        file: String? = nil, _ environment: [String: String] = [:], flags: DaemonFlags = DaemonFlags()
    ) throws -> DaemonSettings {
        let directory = try TemporaryDirectory()
        var environment = environment
        environment["HOME"] = environment["HOME"] ?? directory.path
        if let file {
            environment["POLLUX_CONFIG"] = directory.file("pollux.yaml")
            try write(file, to: directory.file("pollux.yaml"))
        }
        return try SettingsLoader.load(flags: flags, environment: environment)
    }

    private func write(_ text: String, to path: String, mode: Int = 0o600) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    private func message(
        file: String? = nil, _ environment: [String: String] = [:], flags: DaemonFlags = DaemonFlags()
    ) -> String {
        do {
            _ = try load(file: file, environment, flags: flags)
            return "it was accepted"
        } catch {
            return (error as? DaemonError).map { $0.code == "bad_setting" ? $0.message : "\($0)" } ?? "\(error)"
        }
    }

    @Test func `the setting limits the reply size`() throws {
        #expect(try load(["HOME": "/h"]).maxReplyBytes == 32 << 20)
        #expect(try load(file: "upstream: {max_reply_bytes: 65536}\n").maxReplyBytes == 65_536)
        #expect(try load(["POLLUX_UPSTREAM_MAX_REPLY_BYTES": "1073741824"]).maxReplyBytes == 1 << 30)
        for bad in ["65535", "1073741825", "1e6", "64k", "-1"] {
            #expect(message(["POLLUX_UPSTREAM_MAX_REPLY_BYTES": bad]).contains("a whole number of bytes from 65536"))
        }
    }

    @Test func `metrics and the format of the log are checked`() throws {
        #expect(try load(["HOME": "/h"]).metricsListen == nil)
        #expect(try load(file: "metrics: {listen: \"127.0.0.1:9464\"}\n").metricsListen?.port == 9_464)
        #expect(try load(["POLLUX_METRICS_LISTEN": "[::]:0"]).metricsListen?.host == "::")
        #expect(message(["POLLUX_METRICS_LISTEN": "9464"]).contains("a host and a port"))
        #expect(try load(["HOME": "/h"]).logFormat == .text)
        #expect(try load(file: "log: {format: json, level: debug}\n").logFormat == .json)
        #expect(message(["POLLUX_LOG_FORMAT": "logfmt"]).contains("must be text or json"))
    }

    @Test func `retention is off until its settings are set`() throws {
        #expect(try load(["HOME": "/h"]).retention.isOff)
        let file =
            "retention: {ended: 90d, failed: 12h, responses: 30d, events: 4w, idempotency_keys: 365d, stubs: 400d}\n"
        let retention = try load(file: file).retention
        #expect(retention.ended == .seconds(90 * 86_400))
        #expect(retention.failed == .seconds(12 * 3_600))
        #expect(retention.responses == .seconds(30 * 86_400))
        #expect(retention.events == .seconds(28 * 86_400))
        #expect(retention.idempotencyKeys == .seconds(365 * 86_400))
        #expect(retention.stubs == .seconds(400 * 86_400))
        #expect(try !load(["POLLUX_RETENTION_ENDED": "90d"]).retention.isOff)
    }

    @Test(arguments: ["ended", "failed", "responses", "events", "artefacts", "idempotency_keys"])
    func `a retention time needs a unit, and the error names the setting`(name: String) {
        for bad in ["90", "0d", "-1d", "1y", "soon", "1.5d"] {
            let message = message(file: "retention: {\(name): \(bad)}\n")
            #expect(message.contains("retention.\(name)") && message.contains("as in 90d"), "\(bad): \(message)")
        }
    }

    @Test func `keys must be kept as long as details`() throws {
        let message = message(file: "retention: {ended: 90d, idempotency_keys: 30d}\n")
        #expect(message.contains("retention.idempotency_keys") && message.contains("retention.ended"), "\(message)")
        #expect(try load(file: "retention: {ended: 1000d}\n").retention.idempotencyKeys == nil)
    }

    @Test(arguments: ["quota", "keep_free", "max_object"])
    func `a size of the artefacts must have its unit, and the message names the setting`(name: String) {
        for bad in ["90", "0GiB", "-1GiB", "1GB", "2000000TiB", "1.5GiB", "GiB"] {
            let message = message(file: "artefacts: {\(name): \(bad)}\n")
            #expect(message.contains("artefacts.\(name)") && message.contains("as in 20GiB"), "\(bad): \(message)")
        }
    }

    @Test func `files of results are fetched unless a setting says no`() throws {
        #expect(try load(["HOME": "/h"]).artefacts == ArtefactSettings(isOn: true))
        #expect(try !load(["POLLUX_ARTEFACTS_CAPTURE": "off"]).artefacts.isOn)
        #expect(message(["POLLUX_ARTEFACTS_CAPTURE": "yes"]).contains("results or off"))
        #expect(
            try load(["POLLUX_ARTEFACTS_EXCEPT": "runway, suno/audios"]).artefacts.exceptions == [
                "runway", "suno/audios",
            ])
    }

    @Test func `a template of names without the id and the number is refused`() {
        for bad in [
            "{date}/{n}", "{id}", "{id}-{n}/{date}", "{id}-{n}{month}", "../{id}-{n}", "/{id}-{n}", "{id}-{n}/",
        ] {
            let message = message(["POLLUX_ARTEFACTS_NAME": bad])
            #expect(message.contains("artefacts.name") && message.contains("{id} and {n}"), "\(bad): \(message)")
        }
    }

    // MARK: Sources

    @Test func `without settings the defaults apply`() throws {
        let settings = try load(["HOME": "/home/me"])
        #expect(settings.stateDirectory == "/home/me/.local/state/pollux")
        #expect(settings.socketPath == "/home/me/.local/state/pollux/pollux.sock")
        #expect(settings.token == nil)
        #expect(settings.baseURL == nil)
        #expect(settings.minGap == .seconds(1))
        #expect(settings.maxGap == .seconds(60))
        #expect(settings.submissionTimeout == .seconds(60))
        #expect(settings.onUncertain == .hold)
        #expect(settings.maxInFlight == nil)
        #expect(settings.logLevel == .info)
        #expect(settings.warnings.isEmpty)
    }

    @Test func `flags override the environment, which overrides the file and the defaults`() throws {
        let file =
            "log: {level: error}\npolling: {max_gap_seconds: 30}\nsubmission: {timeout_seconds: 5, on_uncertain: fail}\n"
        let environment = ["POLLUX_LOG_LEVEL": "debug", "POLLUX_SUBMISSION_TIMEOUT_SECONDS": "7"]
        let settings = try load(file: file, environment, flags: DaemonFlags(logLevel: "trace"))
        #expect(settings.logLevel == .trace)
        #expect(settings.submissionTimeout == .seconds(7))
        #expect(settings.maxGap == .seconds(30))
        #expect(settings.onUncertain == .fail)
        #expect(try load(file: file, environment).logLevel == .debug)
        #expect(try load(file: file).logLevel == .error)
    }

    @Test(arguments: [
        ("{ended: 90d, stubs: 80d}", "retention.ended"), ("{failed: 90d, stubs: 80d}", "retention.failed"),
        ("{ended: 90d, idempotency_keys: 100d, stubs: 95d}", "retention.idempotency_keys (8640000 s)"),
        ("{ended: 90d, stubs: 120d}", "retention.idempotency_keys, a year unless set"),
        ("{stubs: 23h}", "at least a day"),
    ])
    func `stubs must be kept as long as details and keys, and the message names the longer span`(
        file: String, name: String
    ) {
        let message = message(file: "retention: \(file)\n")
        #expect(message.contains("retention.stubs") && message.contains(name), "\(message)")
    }

    @Test(arguments: ["mysql://me:secret@db.example/pollux", "postgres://me:secret@[::1/pollux"])
    func `a store that is not PostgreSQL is refused without showing its password`(address: String) {
        for message in [message(file: "store: \(address)\n"), message(file: "", ["POLLUX_STORE": address])] {
            #expect(message.contains("must be an address of PostgreSQL"), "\(message)")
            #expect(!message.contains("secret"), "\(message)")
        }
    }

    @Test func `every setting can be set in the file and in the environment`() throws {
        let values = [
            "state_directory": "/s", "socket": "/s/x.sock", "xhuoapi.base_url": "https://example.org/v1/",
            "polling.min_gap_seconds": "0.5", "polling.max_gap_seconds": "90", "polling.max_requests_per_second": "3.5",
            "submission.timeout_seconds": "12.5", "submission.on_uncertain": "resubmit_if_absent",
            "submission.max_in_flight": "9", "submission.max_per_second": "0.25", "log.level": "warning",
            "upstream.max_reply_bytes": "65537", "upstream.proxy": "http://10.0.0.1:3128", "upstream.ca_file": "/a.pem",
            "callbacks.listen": "[::1]:8443",
            "callbacks.public_url": "https://pollux.example/",
            "callbacks.certificate_file": "/c.pem", "callbacks.key_file": "/k.pem", "retention.ended": "90d",
            "retention.failed": "30d", "retention.responses": "2w", "retention.events": "36h",
            "retention.idempotency_keys": "400d", "retention.stubs": "500d", "retention.artefacts": "9d",
            "events.max_streams": "12", "gateway.listen": "127.0.0.1:8484", "gateway.socket": "/g.sock",
            "gateway.certificate_file": "/g.pem", "gateway.key_file": "/gk.pem",
            "gateway.hosts": "host.docker.internal", "gateway.max_body_bytes": "65536", "gateway.unknown": "refuse",
            "gateway.adopt": "false", "gateway.retry_window_seconds": "60", "gateway.callbacks": "pass",
            "artefacts.capture": "off", "artefacts.except": "runway",
            "artefacts.directory": "/f", "artefacts.quota": "2TiB", "artefacts.keep_free": "512MiB",
            "artefacts.max_object": "1KiB", "artefacts.name": "'{id}-{n}'",
            "notifications.task_urls": "https", "metrics.listen": "127.0.0.1:9464", "log.format": "json",
            "reconcile.every": "24h", "retention.ledger": "800d", "dashboard.listen": "127.0.0.1:8485",
            "dashboard.public_url": "https://pollux.example", "dashboard.certificate_file": "/d.pem",
            "dashboard.key_file": "/dk.pem", "dashboard.hosts": "pollux.example",
            "store": "postgres://me:secret@db.example/pollux", "postgres.prepare": "false",
            "postgres.notify": "false",
        ]
        #expect(Set(values.keys) == Set(Setting.all.map(\.name)))
        let file = values.map { name, value in
            let parts = name.split(separator: ".")
            return parts.count == 1 ? "\(name): \(value)" : "\(parts[0]): {\(parts[1]): \(value)}"
        }
        // Settings of a listener are only valid together.
        let listeners = ["callbacks", "dashboard", "gateway"]
        for line in file where !listeners.contains(where: line.hasPrefix) { _ = try load(file: line) }
        var environment: [String: String] = [:]
        for setting in Setting.all { environment[setting.variable] = values[setting.name] }
        let settings = try load(environment)
        #expect(settings.proxy == "http://10.0.0.1:3128" && settings.authoritiesFile == "/a.pem")
        var artefacts = ArtefactSettings(isOn: false, exceptions: ["runway"], maxObject: 1_024)
        artefacts.names = try #require(ArtefactNames("'{id}-{n}'"))
        #expect(settings.artefacts == artefacts)
        #expect(settings.artefactLimits == ObjectFiles.Limits(quota: 2 << 40, keepFree: 512 << 20))
        #expect(settings.artefactDirectory == "/f")
        #expect(settings.stateDirectory == "/s")
        #expect(settings.socketPath == "/s/x.sock")
        #expect(settings.baseURL == "https://example.org/v1")
        #expect(settings.minGap == .milliseconds(500))
        #expect(settings.maxGap == .seconds(90))
        #expect(settings.pollsPerSecond == 3.5)
        #expect(settings.submissionTimeout == .milliseconds(12_500))
        #expect(settings.onUncertain == .resubmitIfAbsent)
        #expect(settings.maxInFlight == 9)
        #expect(settings.submissionsPerSecond == 0.25)
        #expect(settings.logLevel == .warning)
        #expect(settings.maxStreams == 12)
        #expect(settings.dashboard.listen?.port == 8485 && settings.dashboard.hosts == ["pollux.example"])
        #expect(settings.dashboard.certificateFile == "/d.pem" && settings.dashboard.keyFile == "/dk.pem")
        #expect(settings.gateway.listen?.port == 8484 && settings.gateway.socket == "/g.sock")
        #expect(settings.gateway.certificateFile == "/g.pem" && settings.gateway.keyFile == "/gk.pem")
        #expect(settings.gateway.rules.hosts == ["host.docker.internal"])
        #expect(settings.gateway.rules.maxBodyBytes == 65_536 && settings.gateway.rules.retryWindow == .seconds(60))
        #expect(!settings.gateway.rules.passesUnknown && !settings.gateway.rules.adopts)
        #expect(!settings.gateway.rules.deliversCallbacks)
        #expect(settings.callbacks.listen?.host == "::1" && settings.callbacks.listen?.port == 8443)
        #expect(settings.callbacks.publicURL == "https://pollux.example")
        #expect(settings.callbacks.certificateFile == "/c.pem" && settings.callbacks.keyFile == "/k.pem")
        #expect(settings.warnings.isEmpty)
    }

    @Test(arguments: [
        "callbacks: {public_url: https://x.example}", "callbacks: {listen: 127.0.0.1:1}",
        "callbacks: {listen: 127.0.0.1:1, public_url: https://x.example, key_file: k.pem}",
        "callbacks: {certificate_file: c.pem, key_file: k.pem}",
    ])
    func `incomplete callback settings prevent the start`(file: String) {
        let error = #expect(throws: DaemonError.self) { _ = try load(file: file) }
        #expect(error?.message.contains("callbacks.") ?? false)
    }

    @Test(arguments: ["8443", "host", "host:", "host:99999", ":80", "::1:80", "a b:80", "http://x:80", "x/y:80"])
    func `text that is not a host with a port is rejected`(text: String) {
        #expect(ListenAddress(text) == nil)
    }

    @Test func `an empty variable counts as unset`() throws {
        for blank in ["", "  ", "\t\n"] {
            var environment = ["XHUOAPI_TOKEN": blank, "XHUOAPI_TOKEN_FILE": blank, "XDG_STATE_HOME": blank]
            for setting in Setting.all { environment[setting.variable] = blank }
            #expect(try load(environment).logLevel == .info)
        }
    }

    @Test func `a byte order mark in front of a file is skipped`() throws {
        let directory = try TemporaryDirectory()
        try write("\u{feff}from-file\r\n", to: directory.file("token"))
        let settings = try load(
            file: "\u{feff}polling: {max_gap_seconds: 30}\r\n", ["XHUOAPI_TOKEN_FILE": directory.file("token")])
        #expect(settings.maxGap == .seconds(30))
        #expect(settings.token == "from-file")
    }

    @Test(arguments: [
        ["XHUOAPI_BASE_URL": "http://bob:hunter2@host.example/v1"],
        ["XHUOAPI_BASE_URL": "https://hunter2@host.example"], ["XHUOAPI_BASE_URL": "bob:hunter2@host.example"],
        [
            "POLLUX_CALLBACKS_PUBLIC_URL": "https://bob:hunter2@me.example",
            "POLLUX_CALLBACKS_LISTEN": "127.0.0.1:1",
        ],
    ])
    func `a password in a URL prevents the start and is not repeated`(environment: [String: String]) {
        let text = message(environment)
        #expect(text.contains("must not contain a user or a password"), "\(text)")
        #expect(!text.contains("hunter2"))
        let file = message(file: "providers: {fal: {base_url: 'https://bob:hunter2@host.example'}}")
        #expect(
            file.contains("must not contain a user or a password") && file.contains("line 1")
                && !file.contains("hunter2"))
    }

    @Test(arguments: ["", "\n", "# only a comment\n", "---\n", "polling:\n", "null\n"])
    func `an empty settings file is valid`(file: String) throws {
        #expect(try load(file: file).maxGap == .seconds(60))
    }

    // MARK: Invalid settings

    @Test func `an unknown key prevents the start and is reported with file, line and nearest name`() {
        let text = message(file: "log:\n  level: info\npolling:\n  max_gap_secnds: 3\n")
        #expect(text.contains("pollux.yaml, line 4"))
        #expect(text.contains("polling.max_gap_secnds"))
        #expect(text.contains("Did you mean \"polling.max_gap_seconds\"?"))
        #expect(message(file: "sokcet: /x\n").contains("Did you mean \"socket\"?"))
        #expect(message(file: "completely_different_thing: 1\n").contains("there is no setting"))
        #expect(!message(file: "completely_different_thing: 1\n").contains("Did you mean"))
    }

    @Test(arguments: [
        "polling: {max_gap_seconds: 0}", "polling: {max_gap_seconds: nan}", "polling: {max_gap_seconds: -1}",
        "polling: {max_gap_seconds: soon}", "polling: {max_gap_seconds: 1e9}", "polling: {max_gap_seconds: [1]}",
        "polling: {max_gap_seconds: }", "polling: {max_requests_per_second: 0}",
        "polling: {max_requests_per_second: inf}",
        "submission: {max_in_flight: 0}", "submission: {max_in_flight: 1.5}", "submission: {max_in_flight: 100001}",
        "submission: {on_uncertain: maybe}", "submission: {timeout_seconds: 0}", "log: {level: loud}",
        "xhuoapi: {base_url: example.org}", "xhuoapi: {base_url: 'ftp://example.org'}",
        "xhuoapi: {base_url: 'https:///v1'}",
        "xhuoapi: {base_url: 'https://example.org/?x=1'}", "socket: ''", "polling: 3", "- polling", "just words",
        "a: b: c",
        "log: {level: info}\nlog: {level: debug}",
    ])
    func `an invalid value prevents the start and is reported with its position`(file: String) {
        #expect(message(file: file).contains("pollux.yaml"), "\(message(file: file))")
    }

    @Test func `an invalid variable is reported with its rule`() {
        let text = message(["POLLUX_SUBMISSION_MAX_IN_FLIGHT": "many"])
        #expect(text.contains("POLLUX_SUBMISSION_MAX_IN_FLIGHT"))
        #expect(text.contains("a whole number from 1 to 100000"))
    }

    @Test func `the smallest gap must not be above the largest`() {
        let text = message(["POLLUX_POLLING_MIN_GAP_SECONDS": "90"])
        #expect(text.contains("min_gap_seconds") && text.contains("max_gap_seconds"))
    }

    @Test func `a named settings file must exist, the default one need not`() throws {
        #expect(message(["POLLUX_CONFIG": "/nowhere/pollux.yaml"]).contains("/nowhere/pollux.yaml"))
        #expect(message(flags: DaemonFlags(settingsFile: "/nowhere/x.yaml")).contains("/nowhere/x.yaml"))
        #expect(try load(["XDG_CONFIG_HOME": "/nowhere"]).logLevel == .info)
    }

    @Test func `an unknown POLLUX variable causes a warning`() throws {
        let settings = try load(["POLLUX_LOG_LEVL": "debug", "POLLUX_TEST_KILL_AT": "x"])
        #expect(settings.warnings.count == 1)
        #expect(settings.warnings.first?.contains("POLLUX_LOG_LEVEL") == true)
    }

    // MARK: The token

    @Test func `the token comes from the environment, else from a file`() throws {
        let directory = try TemporaryDirectory()
        try write("from-file\n", to: directory.file("token"))
        #expect(
            try load(["XHUOAPI_TOKEN": "from-environment", "XHUOAPI_TOKEN_FILE": directory.file("token")]).token
                == "from-environment")
        #expect(try load(["XHUOAPI_TOKEN_FILE": directory.file("token")]).token == "from-file")
        #expect(try load(file: "xhuoapi: {token_file: \(directory.file("token"))}").token == "from-file")
        #expect(try load(["HOME": directory.path, "XHUOAPI_TOKEN_FILE": "~/token"]).token == "from-file")
        #expect(try load(file: "xhuoapi: {token_file: ~/token}", ["HOME": directory.path]).token == "from-file")
    }

    @Test func `a token file that others can read causes a warning`() throws {
        let directory = try TemporaryDirectory()
        try write("secret-value", to: directory.file("token"), mode: 0o644)
        let warnings = try load(["XHUOAPI_TOKEN_FILE": directory.file("token")]).warnings
        #expect(warnings.contains { $0.contains("chmod 600") })
        #expect(!warnings.contains { $0.contains("secret-value") })
    }

    @Test func `no message shows a token`() throws {
        let directory = try TemporaryDirectory()
        try write("secret value", to: directory.file("token"))
        let messages = [
            message(["XHUOAPI_TOKEN": "secret value"]), message(["XHUOAPI_TOKEN": "secret\u{7}value"]),
            message(["XHUOAPI_TOKEN": "sécret"]), message(["XHUOAPI_TOKEN_FILE": directory.file("token")]),
            message(file: "xhuoapi: {token: secret-value}"), message(file: "token: secret-value"),
            message(file: "xhuoapi:\n  token: secret-value\n  base_url: [\n"),
        ]
        for text in messages {
            #expect(!text.contains("secret") && !text.contains("sécret") && text != "it was accepted", "\(text)")
        }
    }

    @Test(arguments: [
        ("http://example.org/v1", true), ("http://127.0.0.1.example.org/v1", true),
        ("http://localhost.example.org", true), ("http://127.0.0.1evil.example", true),
        ("https://example.org/v1", false), ("http://127.0.0.1:8080/v1", false), ("http://localhost/v1", false),
        ("http://[::1]:80/v1", false),
    ])
    func `a token over an unencrypted connection causes a warning`(url: String, isWarned: Bool) throws {
        let settings = try load(["XHUOAPI_TOKEN": "secret", "XHUOAPI_BASE_URL": url])
        #expect(settings.warnings.contains { $0.contains("without encryption") } == isWarned)
        #expect(!settings.warnings.contains { $0.contains("secret") })
    }

    // MARK: Default paths

    @Test func `default paths follow the XDG directories, and relative ones are ignored`() throws {
        let runtime = try TemporaryDirectory()
        let settings = try load(["HOME": "/home/me", "XDG_STATE_HOME": "/state", "XDG_RUNTIME_DIR": runtime.path])
        #expect(settings.stateDirectory == "/state/pollux")
        #expect(settings.socketPath == runtime.path + "/pollux/pollux.sock")
        let missing = try load(["HOME": "/home/me", "XDG_RUNTIME_DIR": "/run/user/4711"])
        #expect(missing.socketPath == "/home/me/.local/state/pollux/pollux.sock")
        #expect(missing.warnings.contains { $0.contains("/run/user/4711") })
        // A named socket needs no runtime directory, so there is no warning.
        #expect(try load(["XDG_RUNTIME_DIR": "/run/user/4711", "POLLUX_SOCKET": "/s"]).warnings.isEmpty)
        let ignored = try load(["HOME": "/home/me", "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "run"])
        #expect(ignored.stateDirectory == "/home/me/.local/state/pollux")
        #expect(ignored.socketPath == "/home/me/.local/state/pollux/pollux.sock")
    }

    @Test func `a tilde is the home directory and a trailing slash is ignored`() throws {
        let settings = try load(["HOME": "/home/me", "POLLUX_STATE_DIR": "~/p/", "POLLUX_SOCKET": "~/p/s.sock"])
        #expect(settings.stateDirectory == "/home/me/p")
        #expect(settings.socketPath == "/home/me/p/s.sock")
        let relative = try load(["POLLUX_STATE_DIR": "here"])
        #expect(relative.stateDirectory == FileManager.default.currentDirectoryPath + "/here")
    }

    @Test func `a socket path that is too long is rejected with its length`() throws {
        let longest = "/" + String(repeating: "x", count: 106)
        #expect(try load(["POLLUX_SOCKET": longest]).socketPath == longest)
        #expect(message(["POLLUX_SOCKET": longest + "x"]).contains("108 bytes"))
        #expect(message(["POLLUX_SOCKET": "/" + String(repeating: "é", count: 54)]).contains("109 bytes"))
    }
}
