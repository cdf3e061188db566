import HTTPServing
import HTTPTypes
import Hummingbird
import ProviderCatalog
import Text

/// RequestRules refuses requests that another web page may have sent. It runs before all routes.
struct RequestRules: Sendable {
    /// The host that the dashboard listens on.
    let listensOn: String
    /// Further names for it.
    @Current var hosts: [String]

    init(listensOn: String, hosts: Current<[String]>) {
        self.listensOn = listensOn
        _hosts = hosts
    }

    private static let fetchSite = HTTPField.Name("Sec-Fetch-Site")

    /// Why the request is refused; nil if it may go on.
    func refusal(of request: HTTPRequest) -> String? {
        let names = AllowedHosts(listensOn: listensOn, others: hosts, setting: "dashboard.hosts")
        if let refusal = names.refusal(of: request) { return refusal }
        guard !request.method.onlyReads else { return nil }
        if let site = Self.fetchSite.flatMap({ request.headerFields[$0] }) {
            return ["same-origin", "none"].contains(site)
                ? nil : "It comes from another web page: the header field Sec-Fetch-Site says \(site.prefix(40))."
        }
        guard let origin = request.headerFields[.origin] else {
            return "It has neither Sec-Fetch-Site nor Origin, of which browsers send one."
        }
        return isOurs(origin, host: request.authority ?? "")
            ? nil : "It comes from another web page: the header field Origin says \(origin.prefix(100))."
    }

    /// Whether the origin is the host that the request is for.
    private func isOurs(_ origin: String, host: String) -> Bool {
        guard let url = HTTPURL(origin), let own = HTTPURL("\(url.scheme)://\(host)"), !url.hasQueryOrFragment else {
            return false
        }
        return url.host == own.host
    }
}

extension HTTPRequest.Method {
    /// Whether a request with it changes nothing.
    var onlyReads: Bool { self == .get || self == .head }
}
