"""Whether a process checkpointed on one node restores on another, by the facts of both.

The rules come from runs on real nodes and from the release notes of CRIU and the runtimes; Podman
checks none of them itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from transition_wire.node_facts import NodeFacts

from airflow_transition.core.restore_drivers import Way, ability, ability_of
from airflow_transition.core.versions import line_of, version

_OLD_CRIU, _OLD_CRIU_KERNEL = (3, 17), (6, 13)
_DEAF_CRIU, _DEAF_CRIU_KERNEL = (4, 2), (6, 16)

_KERNEL_FLAGS = """
acc_power acpi amd_ppin aperfmperf apic arat arch_capabilities arch_lbr arch_perfmon art autoibrs
avic bts cat_l2 cat_l3 cdp_l2 cdp_l3 cmp_legacy constant_tsc cpb cpuid cpuid_fault cqm cqm_llc
cqm_mbm_local cqm_mbm_total cqm_occup_llc cr8_legacy dca decodeassists ds_cpl dtes64 dtherm dts epb
ept ept_ad est extapic extd_apicid flexpriority flush_l1d flushbyasid hfi hwp hwp_act_window hwp_epp
hwp_notify hwp_pkg_req hw_pstate hypervisor ibpb ibrs ibrs_enhanced ibs ida intel_ppin intel_pt
invpcid invpcid_single ht lbrv mba mca mce md_clear monitor mtrr npt nonstop_tsc nopl nrip_save
osvw overflow_recov pae pat pausefilter pbe pcid pconfig pdcm pebs perfctr_core perfctr_llc
perfctr_nb pfthreshold pge pln pse pse36 pti pts rdt_a rep_good rsb_ctxsw sdbg sev sev_es skinit
smap smca smep smx ss ssbd stibp succor svm svm_lock topoext tm tm2 tpr_shadow tsc_adjust
tsc_deadline_timer tsc_known_freq tsc_reliable tsc_scale umip up vgif virt_ssbd vme vmcb_clean
vmmcall vmx vnmi vpid v_vmsave_vmload wdt x2apic x2avic xsaves xtopology xtpr
"""
_NOT_FOR_PROGRAMS = frozenset(_KERNEL_FLAGS.split())
"""Flags of the kernel's own use, its mitigations and its virtualisation.

They differ between kernels on one CPU, and a running program cannot depend on them.
"""
_NAMED_FEATURES = 5
"""More would not be read."""


@dataclass(frozen=True)
class Parity:
    """Whether a node fits, in plain words."""

    node: str
    against: tuple[str, ...]
    """Why it does not; empty where it fits."""
    remarks: tuple[str, ...]
    """What a person should know although it fits."""
    way: Way = Way.COLD
    """How it would restore."""

    @property
    def fits(self) -> bool:
        return not self.against


def parity(node: NodeFacts, *, needs: NodeFacts) -> Parity:
    """How `node` compares with what a restore point's node had."""
    against = [
        *_against_criu(node, needs=needs),
        *_against_cpu(node, needs=needs),
        *_against_kernel_interfaces(node, needs=needs),
    ]
    able = ability(node, needs=needs)
    against += [able.against] if able.against else []
    remarks = [able.remark] if able.remark else []
    return Parity(node.node, tuple(against), (*remarks, *_criu_remarks(node)), able.way)


def criu_of(node: NodeFacts) -> Parity:
    """What its CRIU can do by itself, whatever it is to restore."""
    against = tuple(_against_criu(node, needs=node))
    return Parity(node.node, against, tuple(_criu_remarks(node)))


def runtime_of(name: str, written: str, *, node: str, facts: NodeFacts | None = None) -> Parity:
    """What a runtime of this name and version can restore; the name as a kubelet writes it.

    `facts` are what the node's agent read of its configuration.
    """
    switches = {
        "containerd": facts.containerd_restores if facts else None,
        "cri-o": facts.crio_restores if facts else None,
    }
    able = ability_of(name, written, switched_on=switches.get(name))
    if able is None:
        return Parity(node, (f"the runtime {name} {written[:40]} is not known to restore",), ())
    against, remarks = ((text,) if text else () for text in (able.against, able.remark))
    return Parity(node, against, remarks, able.way)


def _against_criu(node: NodeFacts, *, needs: NodeFacts) -> Iterator[str]:
    if node.criu is None:
        yield "CRIU is not installed"
        return
    if node.criu_check is None:
        yield "criu check was never run"
    elif not node.criu_check.passed:
        first = next(iter(node.criu_check.output.strip().splitlines()), "without a word")
        yield f"criu check fails: {first[:200]}"
    own, wanted, kernel = version(node.criu), version(needs.criu), version(node.kernel)
    if own is None:
        yield f"its CRIU version cannot be read: {node.criu[:40]!r}"
        return
    if line_of(own) <= _OLD_CRIU and kernel is not None and line_of(kernel) >= _OLD_CRIU_KERNEL:
        yield f"CRIU {node.criu} fails on kernel {node.kernel}; CRIU 4.2 works"
    if wanted is not None and line_of(own) < line_of(wanted):
        yield f"CRIU {node.criu} is older than {needs.criu}, which wrote the checkpoint"


def _criu_remarks(node: NodeFacts) -> Iterator[str]:
    own, kernel = version(node.criu), version(node.kernel)
    if own and kernel and line_of(own) < _DEAF_CRIU and line_of(kernel) >= _DEAF_CRIU_KERNEL:
        yield (
            f"CRIU {node.criu} cannot dump sockets on kernel {node.kernel}: what is restored "
            "there may not be checkpointed again before CRIU is 4.2"
        )


def _against_cpu(node: NodeFacts, *, needs: NodeFacts) -> Iterator[str]:
    if node.architecture != needs.architecture:
        yield f"its architecture is {node.architecture}, the process ran on {needs.architecture}"
        return
    missing = sorted(set(needs.cpu_features) - set(node.cpu_features) - _NOT_FOR_PROGRAMS)
    if missing:
        named, more = missing[:_NAMED_FEATURES], len(missing) - _NAMED_FEATURES
        yield f"its CPU lacks {', '.join(named)}{f' and {more} more' if more > 0 else ''}"
    wanted, own = needs.xsave_size_bytes, node.xsave_size_bytes
    if wanted is not None and (own is None or own < wanted):
        found = "is unknown" if own is None else f"is {own} bytes"
        yield f"the space for its CPU's registers (xsave) {found}, the process needs {wanted}"


def _against_kernel_interfaces(node: NodeFacts, *, needs: NodeFacts) -> Iterator[str]:
    if node.cgroup_version != needs.cgroup_version:
        yield f"it has cgroup v{node.cgroup_version}, the process ran under v{needs.cgroup_version}"
    own, wanted = version(node.runc), version(needs.runc)
    if wanted is None:
        return
    if own is None:
        yield f"runc is not installed, the process ran under runc {needs.runc}"
    elif line_of(own) != line_of(wanted):
        yield f"runc {node.runc} is of another line than {needs.runc}, which ran the process"
