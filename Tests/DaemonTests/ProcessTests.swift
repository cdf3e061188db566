import Foundation
import Logging
import TaskTesting
import Testing

@testable import Daemon

@Suite struct InstanceLockTests {
    @Test func `a second holder is rejected and learns the pid of the first`() throws {
        let directory = try TemporaryDirectory()
        let first = try InstanceLock(
            path: directory.file("pollux.lock"), of: "the state directory /s", socket: "/run/user/1000/p.sock")
        let error = #expect(throws: DaemonError.self) {
            _ = try InstanceLock(path: directory.file("pollux.lock"), of: "the state directory /s")
        }
        #expect(error?.code == "already_running")
        #expect(error?.message.contains("(pid \(getpid()))") == true)
        #expect(error?.message.contains("the state directory /s") == true)
        withExtendedLifetime(first) {}
    }

    @Test func `a lock is free after its release or its holder's death`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.lock")
        try Data("4194303\n and something longer than the next holder's number".utf8).write(
            to: URL(fileURLWithPath: path))
        do { withExtendedLifetime(try InstanceLock(path: path, of: "it", socket: "/run/1000/p.sock")) {} }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "\(getpid())\n/run/1000/p.sock\n")
        withExtendedLifetime(try InstanceLock(path: path, of: "it")) {}
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "\(getpid())\n")
    }

    @Test func `a deleted lock file does not allow a second daemon, whose error names the first`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.lock")
        let first = try InstanceLock(path: path, withDirectory: true, of: "it")
        for isDeleted in [false, true] {
            if isDeleted { try FileManager.default.removeItem(atPath: path) }
            let error = #expect(throws: DaemonError.self) {
                _ = try InstanceLock(path: path, withDirectory: true, of: "it")
            }
            #expect(error?.code == "already_running")
            #expect(error?.message.contains("pid \(getpid())") == true, "\(error?.message ?? "")")
        }
        // The deleted file was not created again.
        #expect(!FileManager.default.fileExists(atPath: path))
        withExtendedLifetime(first) {}
    }

    @Test func `versions that lock only the file and versions that lock both exclude each other`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.lock")
        for isFirstOld in [false, true] {
            let first = try InstanceLock(path: path, withDirectory: !isFirstOld, of: "it")
            let error = #expect(throws: DaemonError.self) {
                _ = try InstanceLock(path: path, withDirectory: isFirstOld, of: "it")
            }
            #expect(error?.message.contains("pid \(getpid())") == true)
            withExtendedLifetime(first) {}
        }
        withExtendedLifetime(try InstanceLock(path: path, withDirectory: true, of: "it")) {}
    }

    @Test func `a lock file is private to its owner`() throws {
        let directory = try TemporaryDirectory()
        let lock = try InstanceLock(path: directory.file("pollux.lock"), of: "it")
        let mode =
            try FileManager.default.attributesOfItem(atPath: directory.file("pollux.lock"))[.posixPermissions] as? Int
        #expect(mode == 0o600)
        withExtendedLifetime(lock) {}
    }

    @Test func `a path where no lock can be created is reported`() {
        let error = #expect(throws: DaemonError.self) { _ = try InstanceLock(path: "/nowhere/pollux.lock", of: "it") }
        #expect(error?.code == "no_place")
    }
}

@Suite struct PrivateDirectoryTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test func `a new directory is created with its parents and is private`() throws {
        let directory = try TemporaryDirectory()
        try PrivateDirectory.prepare(directory.file("a/b/c"), for: "socket", isOurs: { _ in true }, logger: logger)
        #expect(try mode(directory.file("a/b/c")) == 0o700)
    }

    @Test(arguments: [0o755, 0o750, 0o705, 0o711])
    func `a directory that others can read becomes private`(before: Int) throws {
        let directory = try TemporaryDirectory()
        try FileManager.default.setAttributes([.posixPermissions: before], ofItemAtPath: directory.path)
        try PrivateDirectory.prepare(directory.path, for: "socket", isOurs: { _ in true }, logger: logger)
        #expect(try mode(directory.path) == 0o700)
    }

    @Test(arguments: [0o777, 0o770, 0o1777, 0o722])
    func `a directory that others can write to is rejected unchanged`(before: Int) throws {
        let directory = try TemporaryDirectory()
        #expect(chmod(directory.path, mode_t(before)) == 0)
        let error = #expect(throws: DaemonError.self) {
            try PrivateDirectory.prepare(directory.path, for: "socket", isOurs: { _ in true }, logger: logger)
        }
        #expect(error?.code == "no_place")
        #expect(error?.message.contains("socket") == true)
        #expect(try mode(directory.path).map { $0 & 0o777 } == before & 0o777)
    }

    @Test func `a directory that cannot be created is reported with the system's reason and a hint`() throws {
        let error = #expect(throws: DaemonError.self) {
            try PrivateDirectory.prepare(
                "/proc/pollux/state", for: "state directory", hint: "Set HOME.", isOurs: { _ in true }, logger: logger)
        }
        #expect(
            error?.message
                == "The directory /proc/pollux/state for the state directory cannot be created: /proc/pollux: No such file or directory. Set HOME."
        )
    }

    @Test func `a file in place of a directory is rejected`() throws {
        let directory = try TemporaryDirectory()
        try Data().write(to: URL(fileURLWithPath: directory.file("x")))
        for path in [directory.file("x"), directory.file("x/y")] {
            let error = #expect(throws: DaemonError.self) {
                try PrivateDirectory.prepare(path, for: "socket", isOurs: { _ in true }, logger: logger)
            }
            #expect(error?.code == "no_place")
        }
    }
}
