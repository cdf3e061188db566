package import HTTPTypes
import Text

/// AllowedHosts knows the names by which a listener may be reached.
///
/// A web page can let its own name lead to this machine (DNS rebinding), and so pass for a page of ours. The `Host` of
/// its requests still has that name.
package struct AllowedHosts: Sendable {
    /// The host that the listener listens on.
    private let listensOn: String
    /// Further names for this machine.
    private let others: [String]
    /// The setting with further names, for messages.
    private let setting: String

    package init(listensOn: String, others: [String], setting: String) {
        self.listensOn = listensOn
        self.others = others
        self.setting = setting
    }

    /// Why the request is refused; nil if it may go on.
    package func refusal(of request: HTTPRequest) -> String? {
        guard let host = request.authority.flatMap({ HostPort($0) }) else {
            return "The header field Host is missing, or is no host."
        }
        guard isOurs(host) else {
            return
                "This is no host \(host.host.prefix(100)). If it is reached by that name, add it to \(setting)."
        }
        return nil
    }

    private func isOurs(_ host: HostPort) -> Bool {
        host.isLoopback || host.host == listensOn.lowercased() || others.contains { $0.lowercased() == host.host }
    }
}
