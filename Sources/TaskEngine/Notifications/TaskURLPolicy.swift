package import TaskModel
import Text

/// TaskURLPolicy says whether a task may bring an address for notifications, and which.
package enum TaskURLPolicy: String, Sendable, CaseIterable {
    /// None.
    case off
    /// Public hosts over https.
    case https
    /// The same, and this machine.
    case loopback

    /// Why such an address is refused, as the end of a sentence; nil if it is not.
    ///
    /// Names are resolved when something is sent, and all their addresses are checked then.
    package func refusal(of text: String) -> String? {
        guard self != .off else { return "may be an address only if notifications.task_urls is https or loopback" }
        guard let url = HTTPURL(text), !text.contains("#") else {
            return "must be an address as in https://example.org/hook, without a user and a fragment"
        }
        let host = url.authority
        if host.isAmbiguousAddress {
            return "has a host that is neither a name nor an address as they are usually written"
        }
        if host.isLoopback || host.address?.specialRange == .loopback {
            return self == .loopback ? nil : "must not be an address of this machine"
        }
        if let range = host.address?.specialRange { return "must not be \(range.rawValue)" }
        return url.scheme == "https" ? nil : "must be an https address"
    }
}

extension DestinationName {
    /// The destination that stands for all addresses that tasks bring.
    package static let taskURLs = DestinationName("task_urls") ?? { preconditionFailure("It is a name.") }()
    /// The destination that stands for the callback addresses of programs at the gateway.
    package static let callbacks = DestinationName("gateway_callbacks") ?? { preconditionFailure("It is a name.") }()
}

extension Destination {
    /// The addresses that tasks bring; nil if none may.
    package init?(taskURLs policy: TaskURLPolicy) {
        guard policy != .off else { return nil }
        self.init(name: .taskURLs, target: .taskURLs(policy))
    }

    /// The callback addresses of programs at the gateway. They get outcomes only, as from a provider.
    package static let callbacks: Destination = {
        var destination = Destination(name: .callbacks, target: .callbacks)
        destination.types = Set(TaskState.allCases.filter(\.hasEnded).map { .state($0) })
        return destination
    }()

    /// What `notify` of a task begins with if the gateway keeps the callback address of its program there.
    static let callbackMark = "callback:"

    /// Whether `notify` of a task is an address and no name.
    static func isAddress(_ notify: String) -> Bool { notify.contains("://") && !notify.hasPrefix(callbackMark) }

    /// The address in `notify` of a task, or its name.
    package static func address(in notify: String) -> String {
        notify.hasPrefix(callbackMark) ? String(notify.dropFirst(callbackMark.count)) : notify
    }

    /// Whether its events go to receivers that have nothing to do with each other. Then one of them closes nothing.
    var isShared: Bool {
        switch target {
        case .taskURLs, .callbacks: true
        case .url, .socket, .program: false
        }
    }

    /// Which addresses tasks may bring; nil for any other destination.
    var taskURLs: TaskURLPolicy? { if case .taskURLs(let policy) = target { policy } else { nil } }
}
