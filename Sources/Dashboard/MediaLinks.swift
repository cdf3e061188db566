import Crypto
import HTTPTypes
import TaskEngine
import TaskModel
import Text

/// MediaLinks signs addresses of files, because a browser sends no token for pictures, sound and clips.
struct MediaLinks: Sendable {
    /// How long an address works.
    static let lifetime: Duration = .seconds(600)
    static let prefix = "/dashboard/media/"

    /// Which result of which task.
    struct Target: Sendable, Hashable {
        let task: TaskID
        /// The place among the results, from 0.
        let index: Int
    }

    /// Random for each start of the daemon.
    private let key: SymmetricKey
    private let time: any TimeSource

    init(random: EngineRandom, time: any TimeSource) {
        key = SymmetricKey(data: Array(random.draw { CallbackToken(using: &$0) }.text.utf8))
        self.time = time
    }

    /// When an address that is signed now stops working.
    var expiry: Timestamp { Timestamp(milliseconds: (time.now() + Self.lifetime).milliseconds / 1_000 * 1_000) }

    /// The address of a file, without scheme and host.
    func url(of target: Target, until expiry: Timestamp) -> String {
        let path = "\(Self.prefix)\(target.task.text)/\(target.index)"
        let seconds = String(expiry.milliseconds / 1_000)
        let signature = Array(HMAC<SHA256>.authenticationCode(for: Self.message(path, seconds), using: key)).base64URL
        return "\(path)?expires=\(seconds)&signature=\(signature)"
    }

    /// The file of an address that was signed here and still works; nil for any other.
    func target(path: String, expires: String, signature: String) -> Target? {
        guard let code = [UInt8](base64: signature),
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Self.message(path, expires), using: key),
            let seconds = Int64(expires), time.now() < Timestamp(milliseconds: seconds * 1_000)
        else { return nil }
        let parts = path.dropFirst(Self.prefix.count).split(separator: "/")
        guard parts.count == 2, let task = TaskID(String(parts[0])), let index = Int(parts[1]) else { return nil }
        return Target(task: task, index: index)
    }

    private static func message(_ path: String, _ expires: String) -> [UInt8] { Array("\(path)\n\(expires)".utf8) }
}
