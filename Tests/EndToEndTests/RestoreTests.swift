import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests restored copies of the state directory.
    @Suite struct RestoreTests {
        private static let ways = ["directory", "database", "overwritten"]

        @Test(arguments: [1, 2, 5, 12], ways)
        func `tasks of a restored copy are paid once`(count: Int, way: String) async throws {
            try await withWorld { world in
                let state = world.daemon.stateDirectory
                let copy = world.daemon.directory + "/copy"
                try await world.daemon.start()
                let paused = try await world.daemon.ask("POST", "/v1/endpoints/flux/images/pause")
                #expect(paused.status == 200)
                var ids: [String] = []
                for number in 0..<count {
                    let task = try await world.daemon.submit(
                        "flux/images", ["prompt": .string("\(number) [seconds=60]")])
                    ids.append(task.at("id").string ?? "")
                }
                _ = try await world.daemon.stop()
                try FileManager.default.copyItem(atPath: state, toPath: copy)
                // The daemon continues and pays.
                try await world.daemon.start()
                _ = try await world.daemon.ask("POST", "/v1/endpoints/flux/images/resume")
                for id in ids { try await isAccepted(id, in: world) }
                // The copy does not contain this task.
                let later = try await world.daemon.submit("flux/images", ["prompt": "after the copy [seconds=60]"])
                try await isAccepted(later.at("id").string ?? "", in: world)
                let remoteID = try await world.daemon.task(later.at("id").string ?? "").at("remote_id").string
                let billed = count + 1
                #expect(try await world.sandbox.ledger().billed == billed)
                _ = try await world.daemon.stop()
                // The copy is restored.
                if way == "directory" {
                    try FileManager.default.removeItem(atPath: state)
                    try FileManager.default.copyItem(atPath: copy, toPath: state)
                } else if way == "overwritten" {
                    try overwrite(state, with: copy)
                } else {
                    for name in ["pollux.sqlite", "pollux.generation"] {
                        try FileManager.default.removeItem(atPath: state + "/" + name)
                        try FileManager.default.copyItem(atPath: copy + "/" + name, toPath: state + "/" + name)
                    }
                }
                try await world.daemon.start()
                // Overwritten files show only in the provider's list.
                let isNoticed = way != "overwritten"
                #expect(try await world.daemon.ask("GET", "/v1/restore").json.at("restored") == .bool(isNoticed))
                _ = try await world.daemon.ask("POST", "/v1/endpoints/flux/images/resume")
                // Each is found in the provider's list.
                for id in ids { try await isAccepted(id, in: world) }
                let unowned = try await world.daemon.ask("GET", "/v1/restore").json.at("unowned").array ?? []
                #expect(unowned.compactMap { $0.at("remote_id").string } == (isNoticed ? [remoteID] : []))
                let new = try await world.daemon.submit("flux/images", ["prompt": "new"])
                #expect(new.at("state").string == "queued")
                guard isNoticed else {
                    _ = try await world.daemon.ended(new.at("id").string ?? "")
                    #expect(try await world.sandbox.ledger().billed == billed + 1)
                    return
                }
                let accepted = try await world.daemon.ask("POST", "/v1/restore", json: ["accept": true])
                #expect(accepted.status == 200, "\(accepted.text)")
                #expect(try accepted.json.at("resubmitted").integer == 0)
                _ = try await world.daemon.ended(new.at("id").string ?? "")
                #expect(try await world.sandbox.ledger().billed == billed + 1)
            }
        }

        /// Overwrites files like `cp`, so that they keep their inodes, as after a rollback of the machine.
        private func overwrite(_ state: String, with copy: String) throws {
            let files = FileManager.default
            let names = try files.contentsOfDirectory(atPath: copy)
            for name in try files.contentsOfDirectory(atPath: state) where !names.contains(name) {
                try files.removeItem(atPath: state + "/" + name)
            }
            for name in names {
                guard let bytes = files.contents(atPath: copy + "/" + name) else { continue }
                guard let file = FileHandle(forWritingAtPath: state + "/" + name) else {
                    try bytes.write(to: URL(filePath: state + "/" + name))
                    continue
                }
                try file.truncate(atOffset: 0)
                try file.write(contentsOf: bytes)
                try file.close()
            }
        }

        private func isAccepted(_ id: String, in world: World) async throws {
            let deadline = ContinuousClock.now + .seconds(120)
            // A long poll answers after a second, or when the task ends.
            func state() async throws -> String? {
                try await world.daemon.ask("GET", "/v1/tasks/\(id)?wait_seconds=1").json.at("state").string
            }
            while !["running", "succeeded"].contains(try await state()) {
                guard ContinuousClock.now < deadline else {
                    Issue.record("\(id) is \(try await world.daemon.task(id).text)")
                    return
                }
            }
        }
    }
}
