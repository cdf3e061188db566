import Synchronization
package import TaskModel
import TaskStore

/// LocalTokens knows the tokens by which local programs get into the gateway.
package final class LocalTokens: Sendable {
    /// What every token begins with, so that a person recognises one.
    package static let beginning = "pollux_"

    private let tokens: Mutex<[LocalToken]>
    private let store: TaskStore
    private let random: EngineRandom
    private let time: any TimeSource

    /// Reads the tokens from the store.
    init(_ store: TaskStore, random: EngineRandom, time: any TimeSource) async throws(TaskStoreError) {
        tokens = Mutex(try await store.localTokens())
        self.store = store
        self.random = random
        self.time = time
    }

    /// A token without its text.
    package struct Entry: Sendable, Hashable {
        package let name: String
        package let createdAt: Timestamp
    }

    /// All tokens, by name.
    package var all: [Entry] { tokens.withLock { $0 }.map { Entry(name: $0.name, createdAt: $0.createdAt) } }

    /// Takes the tokens as they are in the store, where another process may have changed them.
    func take(_ stored: [LocalToken]) { tokens.withLock { $0 = stored } }

    /// The name of the token that a program shows; nil if it is none of ours.
    ///
    /// It takes the same time for every text: digests are compared in full, and with every token.
    package func name(of text: String) -> String? {
        let digest = CallbackToken.digest(of: text)
        return tokens.withLock { $0 }.reduce(nil as String?) { found, token in
            token.digest == digest ? token.name : found
        }
    }

    /// Makes a token. Returns its text, which is kept nowhere.
    package func add(_ name: String) async throws(TaskServiceError) -> String {
        guard AccountName(name) != nil else {
            throw .invalidField("name", problem: "must be at most 32 small letters, digits and hyphens, a letter first")
        }
        let text = Self.beginning + random.draw { CallbackToken(using: &$0) }.text
        let token = LocalToken(name: name, digest: CallbackToken.digest(of: text), createdAt: time.now())
        let isAdded: Bool
        do throws(TaskStoreError) { isAdded = try await store.add(token) } catch { throw .store(error) }
        guard isAdded else {
            throw .invalidField("name", problem: "names a token already; remove that one first")
        }
        tokens.withLock { $0 = ($0 + [token]).sorted { $0.name < $1.name } }
        return text
    }

    /// Removes a token. Requests that are under way go on.
    package func remove(_ name: String) async throws(TaskServiceError) {
        let isRemoved: Bool
        do throws(TaskStoreError) { isRemoved = try await store.removeLocalToken(named: name) } catch {
            throw .store(error)
        }
        guard isRemoved else { throw .invalidField("name", problem: "\"\(name)\" names no token") }
        tokens.withLock { $0.removeAll { $0.name == name } }
    }
}
