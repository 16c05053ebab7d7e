"""Event files for TensorBoard, read by a reader that shares nothing with their writer:

    tensorboard_test.py --tool convmixer

A training is killed, goes on and is finished; then its files are read record by record, with checksums computed bit by
bit, and decoded as protocol buffers (https://protobuf.dev/programming-guides/encoding/), by the field numbers of
https://github.com/tensorflow/tensorboard (tensorboard/compat/proto).
"""

import argparse
import collections
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

EPOCHS = 6
STEPS = 16  # of an epoch
HOSTILE_NAME = b"<b>lr=1&\"'\x1b[31m\xff\xc3\xa9"

tool = None  # set by main
run = None  # the run folder
events = []  # of all its files, in their order

Event = collections.namedtuple("Event", "file step message")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        header_sum, record = struct.unpack("<I", data[8:12])[0], data[12:12 + length]
        (record_sum,) = struct.unpack("<I", data[12 + length:16 + length])
        if header_sum != masked_crc32c(data[:8]) or record_sum != masked_crc32c(record) or len(record) != length:
            raise AssertionError("a record whose checksum is wrong, or that is torn")
        yield record
        data = data[16 + length:]


def varint(data, at):
    value, shift = 0, 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def decode(data):
    """Fields by number, each a list: ints, bytes, and the bytes of four and eight as floats."""
    fields, at = collections.defaultdict(list), 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 1:
            (value,), at = struct.unpack("<d", data[at:at + 8]), at + 8
        elif key & 7 == 5:
            (value,), at = struct.unpack("<f", data[at:at + 4]), at + 4
        else:
            assert key & 7 == 2, key
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length
        fields[key >> 3].append(value)
    return fields


def values():
    """(step, tag, Summary.Value) of all events."""
    for event in events:
        for summary in event.message[5]:
            for value in map(decode, decode(summary)[1]):
                yield event.step, value[1][0].decode("utf-8"), value


def by_tag():
    tags = collections.defaultdict(list)
    for step, tag, value in values():
        tags[tag].append((step, value))
    return tags


def command(folder):
    return [tool, *("train --tensorboard --dataset shapes --train-images 256 --test-images 40 --dim 8 --depth 1 "
                    "--kernel-size 3 --patch-size 4 --batch-size 16 --eval-batch-size 20 --log-interval 1 "
                    "--save-interval 0 --precision f32 --threads 1 --lr 0.02 --quiet").split(),
            "--epochs", str(EPOCHS), "--out", folder]


def event_files():
    """As TensorBoard reads them: by name."""
    return sorted(path for path in run.iterdir() if "tfevents" in path.name)


def setUpModule():
    """Killed some way into an epoch: its state is that of the epoch before, its events are ahead of it."""
    process = subprocess.Popen(command(run))
    while process.poll() is None:
        if run.is_dir() and b"loss/train_epoch" in b"".join(map(pathlib.Path.read_bytes, event_files())):
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.001)
    process.wait()
    with open(event_files()[-1], "ab") as file:  # where a killed process may leave off
        file.write(b"\x18\0\0\0\0\0\0\0\xa3\x7f")
    subprocess.run(command(run), check=True)
    for path in event_files():
        for record in records(path.read_bytes()):
            message = decode(record)
            events.append(Event(path.name, (message[2] or [0])[0], message))


class EventFiles(unittest.TestCase):
    def test_known_checksums(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)
        self.assertEqual(crc32c(bytes(32)), 0x8A9136AA)

    def test_each_begins_with_its_version(self):
        for file in {event.file for event in events}:
            first = next(event for event in events if event.file == file)
            self.assertEqual(first.message[3], [b"brain.Event:2"])

    def test_times_never_go_back(self):
        times = [event.message[1][0] for event in events]
        self.assertEqual(times, sorted(times))
        self.assertLess(abs(times[-1] - time.time()), 3600)

    def test_every_step_is_there_once(self):
        tags = by_tag()
        every_step = list(range(1, EPOCHS * STEPS + 1))
        every_epoch = list(range(STEPS, EPOCHS * STEPS + 1, STEPS))
        for tag, logged in tags.items():
            steps = [step for step, _ in logged]
            if tag in ("loss/train", "accuracy/train", "optimizer/learning_rate", "optimizer/gradient_norm",
                       "speed/images_per_second"):
                self.assertEqual(steps, every_step, tag)
            elif tag.startswith(("weights/", "filters/")):
                self.assertEqual(steps, [0] + every_epoch, tag)
            elif tag.startswith("gradients/") or tag in ("epoch", "loss/test", "accuracy/test", "loss/train_epoch"):
                self.assertEqual(steps, every_epoch, tag)
        for tag in ("loss/train", "accuracy/test", "weights/stem.0.weight", "gradients/head.bias", "filters/stem.0"):
            self.assertIn(tag, tags)

    def test_a_session_begins_after_the_last_step_that_is_kept(self):
        last = 0
        for event in events:
            if event.message[7]:
                self.assertEqual(decode(event.message[7][0])[1], [1])  # START
                self.assertEqual(event.step, last + 1)
            last = max(last, event.step) if event.message[5] else last

    def test_histograms_count_what_they_say(self):
        for tag, logged in by_tag().items():
            for _, value in logged if tag.startswith(("weights/", "gradients/")) else ():
                histogram = decode(value[5][0])
                low, high, count, total, squares = (histogram[field][0] for field in range(1, 6))
                limits = struct.unpack(f"<{len(histogram[6][0]) // 8}d", histogram[6][0])
                counts = struct.unpack(f"<{len(histogram[7][0]) // 8}d", histogram[7][0])
                self.assertEqual(len(limits), len(counts), tag)
                self.assertEqual(sum(counts), count, tag)
                self.assertEqual(list(limits), sorted(set(limits)), tag)
                self.assertTrue(limits[0] <= low <= high < limits[-1], tag)
                self.assertTrue(low * count <= total <= high * count, tag)
                self.assertTrue(0 <= squares <= count * max(low * low, high * high), tag)

    def test_images_are_as_large_as_they_say(self):
        tags = by_tag()
        self.assertEqual(len(tags["training_images"]), 1)
        for tag in ("training_images", "filters/stem.0", "filters/blocks.0.0.fn.0"):
            for _, value in tags[tag]:
                image = decode(value[4][0])
                self.assertEqual(image[4][0][:8], b"\x89PNG\r\n\x1a\n")
                self.assertEqual(struct.unpack(">II", image[4][0][16:24]), (image[2][0], image[1][0]))

    def test_settings_and_the_end_are_hyperparameters(self):
        def plugin_data(value):
            plugin = decode(decode(value[9][0])[1][0])
            self.assertEqual(plugin[1], [b"hparams"])
            return decode(plugin[2][0])

        tags = by_tag()
        start = decode(plugin_data(tags["_hparams_/session_start_info"][0][1])[3][0])
        settings = {}
        for entry in map(decode, start[1]):
            settings[entry[1][0].decode("utf-8")] = decode(entry[2][0])
        self.assertEqual(settings["lr"][2], [0.02])
        self.assertEqual(settings["epochs"][2], [EPOCHS])
        self.assertEqual(settings["dataset"][3], [b"shapes"])
        self.assertEqual(settings["drop-last"][4], [0])
        ends = tags["_hparams_/session_end_info"]
        self.assertEqual(len(ends), 1)
        end = decode(plugin_data(ends[0][1])[4][0])
        self.assertEqual(end[1], [1])  # success
        self.assertLessEqual(start[5][0], end[2][0])


def main():
    global tool, run
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    options, rest = parser.parse_known_args()
    tool = options.tool
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(os.fsdecode(os.fsencode(folder) + b"/" + HOSTILE_NAME))
        result = unittest.main(argv=[sys.argv[0], *rest], exit=False).result
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
