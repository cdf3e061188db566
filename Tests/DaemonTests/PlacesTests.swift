import Foundation
import Logging
import TaskTesting
import Testing

@testable import Daemon

@Suite struct XDGDirectoriesTests {
    @Test func `a missing or foreign runtime directory is not used and causes a warning`() throws {
        let directory = try TemporaryDirectory()
        let ours = XDGDirectories(environment: ["HOME": "/home/me", "XDG_RUNTIME_DIR": directory.path])
        #expect(ours.runtimeSocket == directory.path + "/pollux/pollux.sock")
        #expect(ours.runtimeProblem == nil)
        try Data().write(to: URL(fileURLWithPath: directory.file("file")))
        for (path, reason) in [("/run/user/4711", "does not exist"), (directory.file("file"), "is not a directory")] {
            let places = XDGDirectories(environment: ["HOME": "/home/me", "XDG_RUNTIME_DIR": path])
            #expect(places.runtimeSocket == nil)
            #expect(places.runtimeProblem?.contains("XDG_RUNTIME_DIR is \(path), which \(reason)") == true)
        }
        // Root's directory belongs to another user, unless the tests run as root.
        if geteuid() != 0 {
            #expect(XDGDirectories(environment: ["XDG_RUNTIME_DIR": "/"]).runtimeSocket == nil)
        } else {
            #expect(chown(directory.path, 65_534, 65_534) == 0)
            let places = XDGDirectories(environment: ["XDG_RUNTIME_DIR": directory.path])
            #expect(places.runtimeSocket == nil)
            #expect(places.runtimeProblem?.contains("belongs to another user") == true)
        }
    }

    @Test(arguments: [[:], ["HOME": ""], ["HOME": "here"]])
    func `without HOME the home directory comes from the user database`(environment: [String: String]) {
        let places = XDGDirectories(environment: environment, userHome: "/home/ada")
        #expect(places.stateDirectory == "/home/ada/.local/state/pollux")
        #expect(places.settingsFile == "/home/ada/.config/pollux/pollux.yaml")
        #expect(places.absolute("~/x") == "/home/ada/x")
        #expect(places.lacksHome)
    }

    @Test func `without a home directory no default path is used`() {
        let places = XDGDirectories(environment: [:], userHome: nil)
        #expect(places.stateDirectory == nil && places.settingsFile == nil && places.runtimeSocket == nil)
    }
}

@Suite struct SocketFinderTests {
    /// Finds the socket; `answering` lists the sockets that respond.
    private func path(
        _ environment: [String: String], option: String? = nil, answering: Set<String> = []
    ) throws -> String {
        try SocketFinder.path(option: option, environment: environment) { answering.contains($0) }
    }

    @Test func `the command line finds the daemon's socket, whichever setting defines it`() throws {
        let directory = try TemporaryDirectory()
        let home = directory.path
        let runtime = directory.file("run")
        try FileManager.default.createDirectory(atPath: runtime, withIntermediateDirectories: false)
        try FileManager.default.createDirectory(
            atPath: directory.file(".config/pollux"), withIntermediateDirectories: true)
        let file = directory.file(".config/pollux/pollux.yaml")
        let environments: [[String: String]] = [
            ["HOME": home], ["HOME": home, "XDG_RUNTIME_DIR": runtime], ["HOME": home, "XDG_RUNTIME_DIR": "run"],
            ["HOME": home, "XDG_RUNTIME_DIR": runtime + "/missing"], ["HOME": home, "XDG_STATE_HOME": "state"],
            ["HOME": home, "XDG_STATE_HOME": "/state"], ["HOME": home, "POLLUX_STATE_DIR": "~/state"],
            ["HOME": home, "POLLUX_STATE_DIR": "here"], ["HOME": home, "POLLUX_SOCKET": "~/x.sock"],
            ["HOME": home, "POLLUX_SOCKET": "  ", "XDG_RUNTIME_DIR": ""],
        ]
        for text in [
            "", "socket: ~/from-file.sock", "state_directory: /s", "state_directory: ~/s\nsocket: /from-file.sock",
        ] {
            try Data(("\u{feff}" + text).utf8).write(to: URL(fileURLWithPath: file))
            for environment in environments {
                let daemon = try SettingsLoader.load(flags: DaemonFlags(), environment: environment).socketPath
                #expect(try path(environment) == daemon, "\(text) \(environment)")
            }
        }
        #expect(try path(["HOME": home], option: "~/o.sock") == home + "/o.sock")
        // Other errors in the file stop a daemon, but not a client's search for it.
        try Data("socket: /s.sock\nsokcet: /t.sock\n".utf8).write(to: URL(fileURLWithPath: file))
        #expect(try path(["HOME": home]) == "/s.sock")
        try Data("socket: [\n".utf8).write(to: URL(fileURLWithPath: file))
        let error = #expect(throws: DaemonError.self) { _ = try path(["HOME": home]) }
        #expect(error?.message.contains(file) == true)
        #expect(try path(["HOME": home, "POLLUX_SOCKET": "/s.sock"]) == "/s.sock")
    }

    @Test func `the lock of the state directory names a socket at another path`() throws {
        let directory = try TemporaryDirectory()
        let environment = ["HOME": directory.path, "POLLUX_STATE_DIR": directory.path]
        let expected = directory.file("pollux.sock")
        #expect(try path(environment, answering: ["/elsewhere.sock"]) == expected)
        let lock = try InstanceLock(
            path: directory.file("pollux.lock"), of: "it", socket: "/elsewhere.sock")
        #expect(try path(environment, answering: ["/elsewhere.sock"]) == "/elsewhere.sock")
        // The default path has priority, and the message names it if neither responds.
        #expect(try path(environment, answering: [expected, "/elsewhere.sock"]) == expected)
        #expect(try path(environment) == expected)
        // A path that a user names is final.
        #expect(try path(environment, option: "/o.sock", answering: ["/elsewhere.sock"]) == "/o.sock")
        withExtendedLifetime(lock) {}
    }

    @Test(arguments: [
        ("42\n", LockNote(pid: 42, socket: nil)), ("42\n/a b/x.sock\n", LockNote(pid: 42, socket: "/a b/x.sock")),
        ("42", LockNote(pid: 42, socket: nil)), ("42\nrelative\n", LockNote(pid: 42, socket: nil)),
    ])
    func `lock contents of this and older versions are parsed`(text: String, note: LockNote) {
        let read = LockNote(text)
        #expect(read?.pid == note.pid && read?.socket == note.socket)
    }

    @Test(arguments: ["", "\n", "x\n/s"]) func `invalid lock contents are rejected`(text: String) {
        #expect(LockNote(text) == nil)
    }
}

@Suite struct HTTPAddressTests {
    @Test(arguments: [
        ("http://127.0.0.1:80/v1/", false), ("HTTP://LOCALHOST:8080", false), ("http://[::1]:80", false),
        ("https://api.example/v1", false), ("http://127.0.0.1.evil.example", true), ("http://api_v2.example", true),
    ])
    func `only http to another machine is exposed`(text: String, isExposed: Bool) throws {
        #expect(try #require(HTTPAddress(text)).isExposed == isExposed)
    }

    @Test(arguments: [
        "example.org", "ftp://x", "https://", "https:///v1", "https://x/?a=1", "https://x/#a", "https://user@x",
        "https://user:pw@x", "http://127.0.0.1:80.evil.example", "http://x:99999", "http://x:", "http://[::1",
        "http://[]",
        "http://[::1]x", "http://a b", "http://x\\@y", "http://exämple.org",
    ])
    func `text that is not a plain server URL is rejected`(text: String) {
        #expect(HTTPAddress(text) == nil)
    }
}
