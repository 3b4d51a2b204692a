"""Results as markdown: medians, ratios, and how they stand against the bars."""

from statistics import mean, median

MIB = 1024


class Results:
    """Runs by workload, round trip, phase and tool."""

    def __init__(self):
        self.runs = {}
        self.order = []  # of tools
        self.rows = []  # (work, bar, measured, met)

    def add(self, workload, delay, phase, tool, run):
        self.runs.setdefault((workload, delay, phase), {}).setdefault(tool, []).append(run)

    def median(self, workload, delay, phase, tool, field="wall"):
        """None if the tool did not run. Of CPU seconds the mean, for they come in steps of 10 ms."""
        runs = self.runs.get((workload, delay, phase), {}).get(tool)
        middle = mean if field in ("cpu", "host_cpu") else median
        return middle(getattr(run, field) for run in runs) if runs else None

    def ratio(self, workload, delay, phase, rival, field="wall"):
        ours = self.median(workload, delay, phase, "fleet", field)
        theirs = self.median(workload, delay, phase, rival, field)
        return ours / theirs if ours is not None and theirs else None

    def bar(self, work, bar, value, limit, unit=""):
        """Notes how `value` stands against a bar; a value of None is left out."""
        if value is not None:
            self.rows.append((work, bar, f"{value:.2f}{unit}", value <= limit))

    def ratio_bar(self, workload, delay, phase, rival, limit, field="wall"):
        work = f"{phase} {workload}" + (f", {delay} ms" if delay else "")
        if field == "host_cpu":
            work += ", CPU of the host"
        rival_name = rival.replace("\\", "")
        ratio = self.ratio(workload, delay, phase, rival, field)
        self.bar(work, f"≤ {limit:g} × `{rival_name}`", ratio, limit)

    def table(self, workload, delay, phase, title):
        """One phase of one workload, a row for each tool."""
        by_tool = self.runs.get((workload, delay, phase))
        if not by_tool:
            return ""
        lines = [
            f"### {title}",
            "",
            "| | runs | wall s | min–max | fleet / it | CPU s | host CPU s | peak MiB | wire MB | kept MB |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for tool in sorted(by_tool, key=self.order.index):
            runs = by_tool[tool]
            walls = [run.wall for run in runs]
            ratio = self.ratio(workload, delay, phase, tool)
            wire = max(run.wire for run in runs)
            kept = max(run.kept for run in runs)
            cells = [
                tool,
                str(len(runs)),
                f"{median(walls):.2f}",
                f"{min(walls):.2f}–{max(walls):.2f}",
                f"**{ratio:.2f}**" if ratio and tool != "fleet" else "",
                f"{mean(run.cpu for run in runs):.2f}",
                f"{mean(run.host_cpu for run in runs):.3f}",
                f"{median(run.peak_kib for run in runs) / MIB:.1f}",
                f"{wire / 1e6:.2f}" if wire else "",
                f"{kept / 1e6:.1f}" if kept else "",
            ]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"

    def bars(self):
        if not self.rows:
            return ""
        lines = ["### The bars", "", "| work | bar | measured | |", "|---|---|---:|---|"]
        for work, bar, value, met in self.rows:
            lines.append(f"| {work} | {bar} | {value} | {'met' if met else '**missed**'} |")
        return "\n".join(lines) + "\n"
