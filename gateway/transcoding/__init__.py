"""Pixel data in another transfer syntax: decompressed, compressed, or both (PS3.5 8.2, annex A).

Theory of operation. A `Transcoder` has a few processes of its own (`transcoding_child`), because
what decodes are libraries in C that get bytes of a peer: a crash, an endless loop or a lack of
memory there costs one instance. It gives a process a file and a target, and waits for its report,
no longer than a limit. The process goes from frame to frame (`decoded_frames`, `compression`), so
that its memory depends on a frame and not on the instance (`transcoding_job`).

What decodes and encodes are pydicom's decoders and encoders, with the libraries of the extra
`transcode`. The parent needs neither of these nor numpy.

    transcoder = Transcoder(TranscodingSettings(), folder)
    decompressed = transcoder.transcode(instance, Target(EXPLICIT_VR_LITTLE_ENDIAN))
"""

from gateway.transcoding.fitting import TranscodingFit
from gateway.transcoding.targets import Target, candidates, is_decoded
from gateway.transcoding.transcoder import Transcoder

__all__ = ["Target", "Transcoder", "TranscodingFit", "candidates", "is_decoded"]
