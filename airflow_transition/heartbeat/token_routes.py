"""Tokens of nodes and of readers: made, listed and revoked by admins."""

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Path

from airflow_transition.heartbeat import token_rows
from airflow_transition.heartbeat.answers import answers
from airflow_transition.heartbeat.people import Admin, TheReceiver
from airflow_transition.heartbeat.token import NewToken, TokenReport, TokenRequest

router = APIRouter(tags=["tokens"])

TokenId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


@router.get("/tokens", dependencies=[Admin], responses=answers())
async def tokens(receiver: TheReceiver) -> list[TokenReport]:
    """All of them, revoked ones too, newest first; never the tokens themselves."""
    return await receiver.writer.read(lambda: token_rows.list_tokens(receiver.store))


@router.post("/tokens", status_code=201, dependencies=[Admin], responses=answers(400, 413))
async def create(receiver: TheReceiver, request: Annotated[TokenRequest, Body()]) -> NewToken:
    """The answer is the only place where the token is ever shown."""
    return await receiver.change(
        lambda: token_rows.create_token(receiver.store, request=request, now=receiver.moment()),
        statements=2,
    )


@router.delete("/tokens/{token_id}", dependencies=[Admin], responses=answers(404))
async def revoke(receiver: TheReceiver, token_id: TokenId) -> TokenReport:
    """It is refused from now on. Repeatable: the first moment stays."""
    revoked = await receiver.change(
        lambda: token_rows.revoke_token(receiver.store, token_id=token_id, now=receiver.moment()),
        statements=2,
    )
    if revoked is None:
        raise HTTPException(404, "there is no such token")
    return revoked
