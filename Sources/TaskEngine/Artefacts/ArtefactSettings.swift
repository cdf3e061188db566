import TaskModel

/// What is fetched of the results of tasks.
package struct ArtefactSettings: Sendable, Hashable {
    /// Whether results are fetched at all.
    package var isOn: Bool
    /// Providers and endpoints whose results are not fetched, by their names.
    package var exceptions: Set<String>
    /// The largest file that is fetched, in bytes.
    package var maxObject: Int64
    /// The names of files for people.
    package var names = ArtefactNames.standard

    package init(isOn: Bool = false, exceptions: Set<String> = [], maxObject: Int64 = 4 << 30) {
        self.isOn = isOn
        self.exceptions = exceptions
        self.maxObject = maxObject
    }

    /// Whether results of the endpoint are fetched.
    func captures(_ endpoint: EndpointName, of provider: ProviderName) -> Bool {
        isOn && !exceptions.contains(endpoint.text) && !exceptions.contains(provider.text)
    }
}
