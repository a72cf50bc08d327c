"""The front door: what answers a host before anything heavy is imported. Standard library only.

`door` reads the pipe from the first moment, answers what `manifest.json` holds, and hands everything else, in order,
to the SDK once that is there. Even dataclasses are done without: their import costs a tenth of the time there is.
`making` writes the manifest from the live server and is no part of serving.
"""
