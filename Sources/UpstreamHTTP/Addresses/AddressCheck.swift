package import Text

/// AddressCheck decides whether a request may go to a host that a provider's reply or a program's request names.
///
/// A host that the operator wrote down needs no check. A name is resolved once, every address of it is
/// checked, and the connection goes to one of those addresses (``AddressCheck/addresses(of:)``, `HTTPClient.Configuration.pin(_:to:)`).
/// Otherwise a name could resolve to another address for the connection than for the check.
package struct AddressCheck: Sendable {
    /// Returns the addresses of a name, in the order in which they are tried; none if it has none at the moment.
    package typealias LookUp = @Sendable (_ name: String) async -> [IPAddress]

    /// Why no request goes to the host. Nothing was sent.
    package enum Refusal: Error, Sendable, Hashable {
        /// The host has this address, or is it.
        case special(IPAddress.SpecialRange, host: String)
        /// Programs disagree on what the host means.
        case ambiguous(host: String)
        /// The name has no address at the moment. It may have one later.
        case notFound(host: String)

        /// A whole sentence.
        package var message: String {
            switch self {
            case .special(let range, let host): "The host \(host) has \(range.rawValue), so nothing is sent there."
            case .ambiguous(let host): "The host \(host) is neither a name nor an address as they are usually written."
            case .notFound(let host): "The host \(host) has no address at the moment."
            }
        }
    }

    private let allowed: Set<IPAddress.SpecialRange>
    private let lookUp: LookUp

    /// Allows public addresses, and those of the special ranges that are named.
    package init(allowing ranges: Set<IPAddress.SpecialRange> = [], lookUp: @escaping LookUp = SystemResolver.lookUp) {
        allowed = ranges
        self.lookUp = lookUp
    }

    /// Checks what the host itself shows, and resolves nothing: for a request that a proxy resolves.
    package func check(_ host: HostPort) throws(Refusal) {
        if let address = host.address { return try check(address, of: host.host) }
        guard !host.isAmbiguousAddress else { throw .ambiguous(host: host.host) }
        let name = host.host.hasSuffix(".") ? String(host.host.dropLast()) : host.host
        // These names are loopback in every resolver (RFC 6761, section 6.3).
        if name == "localhost" || name.hasSuffix(".localhost"), !allowed.contains(.loopback) {
            throw .special(.loopback, host: host.host)
        }
    }

    /// Resolves the host once, and returns its addresses if all of them are allowed.
    ///
    /// One address that is not allowed refuses the host: it is set up to mislead, or belongs to an inner network.
    package func addresses(of host: HostPort) async throws(Refusal) -> [IPAddress] {
        try check(host)
        if let address = host.address { return [address] }
        let addresses = await lookUp(host.host)
        guard !addresses.isEmpty else { throw .notFound(host: host.host) }
        for address in addresses { try check(address, of: host.host) }
        return addresses
    }

    private func check(_ address: IPAddress, of host: String) throws(Refusal) {
        guard let range = address.specialRange, !allowed.contains(range) else { return }
        throw .special(range, host: host)
    }
}
