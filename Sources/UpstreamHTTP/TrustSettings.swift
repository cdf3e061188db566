package import NIOSSL

/// The certificate authorities that providers' certificates are checked against.
package struct TrustSettings: Sendable, Hashable {
    /// A file of certificates that cannot be used.
    package struct InvalidFile: Error, Hashable {
        /// A whole sentence that names the setting.
        package let message: String
    }

    /// A file of certificates, and the setting that names it.
    package struct File: Sendable {
        let setting: String
        let path: String
        let contents: [UInt8]?

        /// The contents are nil if the file cannot be read.
        package init(setting: String, path: String, contents: [UInt8]?) {
            self.setting = setting
            self.path = path
            self.contents = contents
        }
    }

    private let roots: [NIOSSLCertificate]?
    private let added: [NIOSSLCertificate]

    /// The authorities of the system.
    package static let system = TrustSettings(roots: nil, added: [])

    private init(roots: [NIOSSLCertificate]?, added: [NIOSSLCertificate]) {
        self.roots = roots
        self.added = added
    }

    /// Reads PEM certificates. Those of `systemFile` replace the system's, as in OpenSSL; those of `addedFile` are
    /// trusted as well.
    package init(systemFile: File?, addedFile: File?) throws(InvalidFile) {
        roots = try systemFile.map { file throws(InvalidFile) in try Self.certificates(file) }
        added = try addedFile.map { file throws(InvalidFile) in try Self.certificates(file) } ?? []
    }

    private static func certificates(_ file: File) throws(InvalidFile) -> [NIOSSLCertificate] {
        guard let contents = file.contents else {
            throw InvalidFile(
                message: "\(file.setting) names \(file.path), which cannot be read. Does it exist, and may you read it?"
            )
        }
        guard let certificates = try? NIOSSLCertificate.fromPEMBytes(contents), !certificates.isEmpty else {
            throw InvalidFile(message: "\(file.setting) names \(file.path), which contains no PEM certificate.")
        }
        return certificates
    }

    /// The TLS settings of a client.
    package var configuration: TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let roots { configuration.trustRoots = .certificates(roots) }
        if !added.isEmpty { configuration.additionalTrustRoots = [.certificates(added)] }
        return configuration
    }
}
